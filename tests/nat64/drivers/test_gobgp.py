"""GoBGP's driver against the real daemon, and its API client against what is no daemon."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from pathlib import Path

import pytest

from kun_nat64.drivers.gobgp import GobgpSpeaker
from kun_nat64.drivers.speaker import Speaker
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import BgpPath
from kun_nat64.model.plan import Action, Change
from tests.ports import free_port

HOP = IPv4Address("10.2.1.2")
VIP = "203.0.113.1/32"
PATH = BgpPath(IPv4Network(VIP), HOP, 10, ("64512:100", "65535:0"))
OTHER = BgpPath(IPv4Network("198.18.0.0/24"), HOP, None)


@pytest.fixture(scope="module")
def api(tool: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gobgpd without neighbours that answer."""
    daemon, port = tool("gobgpd", "gobgpd"), free_port()
    config: Path = tmp_path_factory.mktemp("gobgp") / "gobgpd.conf"
    config.write_text(
        '[global.config]\nas = 65001\nrouter-id = "10.2.1.2"\nport = -1\n'
        '[[neighbors]]\n[neighbors.config]\nneighbor-address = "127.0.0.9"\npeer-as = 65000\n'
        "[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 20\n"
    )
    argv = [daemon, "-f", str(config), "--api-hosts", f"127.0.0.1:{port}", "--pprof-disable"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.fixture
async def speaker(api: str) -> AsyncIterator[Speaker]:
    made = GobgpSpeaker(api, HOP)
    await until_it_answers(made)
    yield made
    made.close()


async def until_it_answers(speaker: Speaker) -> None:
    for _ in range(100):
        try:
            if await speaker.observe_neighbours((4,)):
                return
        except DriverError:
            await asyncio.sleep(0.2)
    pytest.fail("gobgpd does not answer")


async def test_a_path_is_announced_changed_and_withdrawn(speaker: Speaker) -> None:
    await speaker.apply(Change(Action.ADD, PATH))
    assert await speaker.observe_paths([VIP]) == {PATH}
    worse = BgpPath(PATH.prefix, HOP, 1000)
    await speaker.apply(Change(Action.REPLACE, worse, PATH))
    assert await speaker.observe_paths([VIP]) == {worse}
    await speaker.apply(Change(Action.REMOVE, worse))
    assert await speaker.observe_paths([VIP]) == frozenset()


async def test_withdrawing_what_is_not_announced_does_nothing(speaker: Speaker) -> None:
    await speaker.apply(Change(Action.REMOVE, PATH))
    assert await speaker.observe_paths([VIP]) == frozenset()


async def test_paths_that_are_not_asked_for_are_somebody_elses(speaker: Speaker) -> None:
    await speaker.apply(Change(Action.ADD, OTHER))
    assert await speaker.observe_paths([VIP]) == frozenset()
    await speaker.apply(Change(Action.REMOVE, OTHER))


async def test_a_neighbour_without_a_session_is_seen_as_such(speaker: Speaker) -> None:
    (neighbour,) = await speaker.observe_neighbours((4,))
    assert (neighbour.address, neighbour.asn, neighbour.established) == ("127.0.0.9", 65000, False)
    assert neighbour.advertised is None


async def test_a_thread_can_withdraw_while_the_event_loop_hangs(speaker: Speaker) -> None:
    await speaker.apply(Change(Action.ADD, PATH))
    await asyncio.to_thread(speaker.withdraw_blocking, [VIP])
    assert await speaker.observe_paths([VIP]) == frozenset()


async def test_a_speaker_takes_a_path_that_its_import_policy_refuses_without_a_word(
    speaker: Speaker, api: str, tool: Callable[[str, str], str]
) -> None:
    """What policy/announcement_check.py rests on."""

    def policy(*words: str) -> None:
        host, port = api.split(":")
        argv = [tool("gobgp", "gobgpd"), "-u", host, "-p", port, "global", "policy", "import", *words]
        subprocess.run(argv, check=True, capture_output=True)

    policy("set", "default", "reject")
    try:
        await speaker.apply(Change(Action.ADD, PATH))
        assert await speaker.observe_paths([VIP]) == frozenset()
    finally:
        policy("set", "default", "accept")
    await speaker.apply(Change(Action.ADD, PATH))
    assert await speaker.observe_paths([VIP]) == {PATH}
    await speaker.apply(Change(Action.REMOVE, PATH))


@pytest.mark.parametrize("where", ["127.0.0.1:1", "unix:///no/such/socket"])
async def test_a_speaker_that_does_not_run_is_unreachable(where: str) -> None:
    with pytest.raises(DriverError) as raised:
        await GobgpSpeaker(where, HOP).observe_neighbours((4,))
    assert raised.value.kind is FailureKind.UNREACHABLE


async def against(answer: bytes, *, hang: bool = False) -> DriverError:
    """The failure when something else listens at the speaker's place."""

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            if hang:
                await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    speaker = GobgpSpeaker(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", HOP)
    with pytest.raises(DriverError) as raised:
        await speaker.observe_neighbours((4,))
    speaker.close()
    await ended.wait()
    server.close()
    await server.wait_closed()
    return raised.value


async def test_a_speaker_that_hangs_up_is_unreachable() -> None:
    assert (await against(b"")).kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("hang", [True, False])
async def test_something_that_is_no_speaker_is_an_error_in_time(hang: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bytes may look like the head of a long frame, which is then waited for."""
    monkeypatch.setattr("kun_nat64.drivers.gobgp.DEADLINE_S", 0.5)
    error = await against(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20, hang=hang)
    assert error.kind in (FailureKind.UNREACHABLE, FailureKind.TIMEOUT)


async def test_a_speaker_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kun_nat64.drivers.gobgp.DEADLINE_S", 0.3)
    error = await against(b"", hang=True)
    assert error.kind is FailureKind.TIMEOUT


async def test_graceful_restart_is_told_of_each_neighbour(speaker: Speaker) -> None:
    (neighbour,) = await speaker.observe_neighbours((4,))
    assert neighbour.restart_s == 20


def gobgpd(config: str, folder: Path, name: str, api: str = "") -> subprocess.Popen[bytes]:
    (folder / name).write_text(config)
    argv = ["gobgpd", "-f", str(folder / name), "--api-hosts", api or f"127.0.0.1:{free_port()}", "--pprof-disable"]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


FAMILIES = "".join(
    f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "{name}"\n'
    for name in ("ipv4-unicast", "ipv6-unicast")
)


@pytest.mark.parametrize("both", [True, False], ids=["both families", "IPv4 alone"])
async def test_what_a_neighbour_was_sent_is_read_back_of_both_families(
    both: bool, tool: Callable[[str, str], str], tmp_path: Path
) -> None:
    tool("gobgpd", "gobgpd")
    families, port, api = FAMILIES if both else "", free_port(), f"127.0.0.1:{free_port()}"
    router = f'[global.config]\nas = 65000\nrouter-id = "10.2.1.1"\nport = {port}\nlocal-address-list = ["127.0.0.8"]\n'
    router += f'[[neighbors]]\n[neighbors.config]\nneighbor-address = "127.0.0.1"\npeer-as = 65001\n{families}'
    own = '[global.config]\nas = 65001\nrouter-id = "10.2.1.2"\nport = -1\n[[neighbors]]\n[neighbors.config]\n'
    own += 'neighbor-address = "127.0.0.8"\npeer-as = 65000\n[neighbors.transport.config]\n'
    own += (
        f'local-address = "127.0.0.1"\nremote-port = {port}\n[neighbors.timers.config]\nconnect-retry = 1\n{families}'
    )
    daemons = [gobgpd(router, tmp_path, "router.conf"), gobgpd(own, tmp_path, "own.conf", api)]
    speaker = GobgpSpeaker(api, HOP)
    six = BgpPath(ip_network("2002:cb00:7101::/48"), ip_address("fd00:11::2"), 10)
    try:
        await until_it_answers(speaker)
        for path in (PATH, six):
            await speaker.apply(Change(Action.ADD, path))
        sent: tuple[str, ...] = ()
        for _ in range(200):
            (neighbour,) = await speaker.observe_neighbours((4, 6))
            sent = neighbour.advertised or ()
            if sent:
                break
            await asyncio.sleep(0.1)
        assert sent == ((VIP, str(six.prefix)) if both else (VIP,))
        (neighbour,) = await speaker.observe_neighbours((4,))
        assert neighbour.advertised == (VIP,)
        await asyncio.to_thread(speaker.withdraw_blocking, [VIP, str(six.prefix)])
        (neighbour,) = await speaker.observe_neighbours((4, 6))
        assert neighbour.advertised == ()
    finally:
        speaker.close()
        for daemon in daemons:
            daemon.terminate()
            daemon.wait(10)
