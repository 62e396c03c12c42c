"""kun-dns64's page in a real browser, on a desk and on a phone, light and dark."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.dns64.app.running import Running, running
from tests.dns64.transport.fake import fake_upstream
from tests.nat64.admin.browser import Tab, browser
from tests.ports import free_port


@pytest.fixture
async def tab(tool: Callable[[str, str], str], tmp_path: Path) -> AsyncIterator[Tab]:
    async with browser(tool("chromium", "chromium"), tmp_path / "profile") as one:
        yield one


async def some_traffic(one: Running) -> None:
    for number in range(5):
        await one.addresses(f"n{number}.t.example.")


async def test_the_page_shows_the_server_and_fits_everywhere(tab: Tab, tmp_path: Path) -> None:
    gateway = f"http://127.0.0.1:{free_port()}/readyz"
    more = {
        "[dns64]": f'gateway_status = ["{gateway}"]\ngateway_poll_s = 0.2',
        "[[pool]]": 'name = "overseas-with-a-name-that-is-long"\nvip = "203.0.113.129"\ndomains = ["example.org"]',
    }
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        await some_traffic(one)
        await one.logged("gateways pools_down=default")
        for width in (400, 1280):
            for scheme in ("light", "dark"):
                await tab.resize(width, 800)
                await tab.prefer(scheme)
                await tab.open(f"http://127.0.0.1:{one.admin}/")
                assert await tab.value("document.documentElement.scrollWidth") <= width
                assert await tab.value("document.querySelectorAll('table').length") == 3
        text = str(await tab.value("document.body.innerText"))
        wanted = (f"udp://127.0.0.1:{fake.port}", "2002:c633:6440::/96", "overseas-with", gateway, "gateway-down",
                  "TTL at most 30 s", "no gateway", "Cache: ", str(one.config))  # fmt: skip
        for words in wanted:
            assert words in text, words
        assert await tab.value("performance.getEntriesByType('resource').length") == 0
        assert tab.complaints == []


async def test_plots_come_with_time(tab: Tab, tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        await some_traffic(one)
        await tab.open(f"http://127.0.0.1:{one.admin}/")
        await tab.until("document.querySelectorAll('svg polyline').length >= 2")
        assert str(await tab.value("document.querySelector('svg').getAttribute('aria-label')")).startswith("queries")
        assert tab.complaints == []


async def test_the_page_is_text_where_others_wrote(tab: Tab, tmp_path: Path) -> None:
    more = {"[[pool]]": 'name = "<script>alert(1)</script>"\nvip = "203.0.113.129"\ndomains = ["example.org"]'}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        await tab.open(f"http://127.0.0.1:{one.admin}/")
        assert await tab.value("document.querySelectorAll('script').length") == 0
        assert "<script>alert(1)" in str(await tab.value("document.body.innerText"))
