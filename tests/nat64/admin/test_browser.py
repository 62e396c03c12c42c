"""The status page in a real browser: what an operator sees, on a desk and on a phone."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kun_nat64.model.standing import Reason
from tests.nat64.admin.browser import Tab, browser
from tests.nat64.admin.serving import Served, come_up

BADGE = "document.querySelector('header .badge')"
GREEN, RED = "rgb(26, 127, 55)", "rgb(207, 34, 46)"


@pytest.fixture
async def tab(tool: Callable[[str, str], str], tmp_path: Path) -> AsyncIterator[Tab]:
    async with browser(tool("chromium", "chromium"), tmp_path / "profile") as one:
        yield one


async def colour(tab: Tab) -> str:
    return str(await tab.value(f"getComputedStyle({BADGE}).backgroundColor"))


async def test_the_page_shows_what_is_and_follows_it_by_itself(served: Served, tab: Tab) -> None:
    await tab.open(served.url + "/")
    assert await tab.value(f"{BADGE}.innerText") == "out"
    assert await colour(tab) == RED
    await come_up(served.agent)
    await tab.until(f"{BADGE}?.innerText === 'full'")
    assert await colour(tab) == GREEN
    assert str(await tab.value("document.title")).endswith("full")
    state = served.agent.state
    state.machine.hard = (Reason.CARRIER_DOWN,)
    state.evaluate(now=state.clock())
    await tab.until(f"{BADGE}?.innerText === 'out'")
    assert await colour(tab) == RED
    assert tab.complaints == []


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_page_fits(served: Served, tab: Tab, width: int) -> None:
    await come_up(served.agent)
    served.agent.state.warnings["config"] = "a warning of one word that is long: " + "x" * 200
    await tab.resize(width, 800)
    await tab.open(served.url + "/")
    assert await tab.value("document.querySelectorAll('table').length") >= 4
    assert await tab.value("document.documentElement.scrollWidth") <= width


async def test_what_others_wrote_is_text_and_the_page_fetches_nothing(served: Served, tab: Tab) -> None:
    await come_up(served.agent)
    served.agent.state.warnings["evil"] = '<img src="http://127.0.0.1:9/x"><script>document.title = "evil"</script>'
    await tab.open(served.url + "/")
    assert await tab.value("document.querySelectorAll('img, script').length") == 0
    assert "evil" not in str(await tab.value("document.title"))
    assert await tab.value("performance.getEntriesByType('resource').length") == 0
    assert tab.complaints == []
