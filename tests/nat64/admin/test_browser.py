"""The status page in a real browser: what an operator sees, on a desk and on a phone."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kun_nat64.model.fleet import Fleet
from kun_nat64.model.standing import Reason
from kun_nat64.model.warnings import WarningName
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
    served.agent.state.warnings.warn(WarningName.CONFIG, "a warning of one word that is long: " + "x" * 200)
    await tab.resize(width, 800)
    await tab.open(served.url + "/")
    assert await tab.value("document.querySelectorAll('table').length") >= 4
    assert await tab.value("document.documentElement.scrollWidth") <= width


WIDTHS_AND_SCHEMES = [(400, "light"), (400, "dark"), (1280, "light"), (1280, "dark")]


def a_fleet(own: dict[str, Any]) -> dict[str, Any]:
    """A member that carries, one that is sick for a long reason, one that is silent."""
    sick = {"standing": "soft", "announced": True, "med": 1000, "words": "a long reason " * 8, "since_s": 86500.0}
    return {
        "http://10.2.2.2:9465": {**own, "name": "gw2"},
        "http://10.2.3.2:9465": {**own, "name": "gw3", "version": "9.9.9", "announcement": sick},
        "http://gateway-with-a-long-name.example.net:9465": "Cannot connect to host: " + "refused " * 20,
    }


@pytest.mark.parametrize(("width", "scheme"), WIDTHS_AND_SCHEMES)
async def test_the_fleet_and_a_drain_fit_and_complain_of_nothing(
    served: Served, tab: Tab, width: int, scheme: str
) -> None:
    await come_up(served.agent)
    own = json.loads((await served.get("/status"))[1])

    async def members() -> dict[str, Any]:
        return a_fleet(own)

    object.__setattr__(served.agent.admin._orders, "members", members)
    await tab.resize(width, 800)
    await tab.prefer(scheme)
    served.agent.state.take_fleet(Fleet(2, (), {"http://10.2.2.2:9465": "refused " * 20, "http://10.2.3.2:9465": "x"}))
    await served.post("/drain?force=1&why=" + "new%20kernel%20" * 10)
    for path, marks in (("/fleet", 4), ("/", 3)):
        await tab.open(served.url + path)
        assert await tab.value("document.documentElement.scrollWidth") <= width
        assert await tab.value("document.querySelectorAll('a[href]').length") >= marks
    words = str(await tab.value("document.getElementById('drain').innerText"))
    assert words.startswith("Draining since 20")
    assert "new kernel" in words
    light = await tab.value("getComputedStyle(document.documentElement).colorScheme")
    assert light == "light dark"
    assert await tab.value(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
    assert tab.complaints == []


async def test_the_fleet_shows_each_gateway_its_reason_and_who_is_silent(served: Served, tab: Tab) -> None:
    await come_up(served.agent)
    own = json.loads((await served.get("/status"))[1])

    async def members() -> dict[str, Any]:
        return a_fleet(own)

    object.__setattr__(served.agent.admin._orders, "members", members)
    await tab.open(served.url + "/fleet")
    text = str(await tab.value("document.body.innerText"))
    for words in ("3 of 4", "gw2", "gw3", "SILENT", "versions differ", "a long reason", "No answer from"):
        assert words in text, words
    assert await tab.value("document.querySelectorAll('tbody tr').length") == 4


async def test_what_others_wrote_is_text_and_the_page_fetches_nothing(served: Served, tab: Tab) -> None:
    await come_up(served.agent)
    evil = '<img src="http://127.0.0.1:9/x"><script>document.title = "evil"</script>'
    served.agent.state.warnings.warn(WarningName.CONFIG, evil)
    await tab.open(served.url + "/")
    assert await tab.value("document.querySelectorAll('img, script').length") == 0
    assert "evil" not in str(await tab.value("document.title"))
    assert await tab.value("performance.getEntriesByType('resource').length") == 0
    assert tab.complaints == []
