"""The small parts of the shell, without processes."""

import asyncio
import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from hypothesis import given
from hypothesis import strategies as st

from kun_base.errors import ConfigError
from kun_base.version import version
from kun_dns64.cli.commands import app
from kun_dns64.cli.serve_flags import read_flags
from kun_dns64.config.background_load import Source, load_aside
from kun_dns64.config.file_stamp import stamp_of
from kun_dns64.config.flags import Flags
from kun_dns64.control.file_watch import FileWatch
from kun_dns64.control.gateway_watch import PoolHealth
from kun_dns64.processes.worker_rpc import MAX_MESSAGE, Link, LinkClosed
from kun_dns64.state.metrics import LATENCY_BUCKETS, Metrics, summed
from kun_dns64.state.rate_limit import TABLE_BYTES, WAYS, RateLimiter, Verdict
from kun_dns64.transport.health import Health
from kun_dns64.transport.randomness import Randomness


def test_the_version_is_told() -> None:
    shown = typer.testing.CliRunner().invoke(app, ["--version"]).output
    assert shown.startswith(f"kun-dns64 {version()}")


class TestRateLimit:
    def test_a_client_gets_its_rate_and_no_more(self) -> None:
        limiter = RateLimiter(10)
        verdicts = [limiter.judge("192.0.2.1", 100.0) for _ in range(30)]
        assert verdicts.count(Verdict.ANSWER) == 10
        assert verdicts.count(Verdict.SLIP) == verdicts.count(Verdict.DROP) == 10

    def test_the_allowance_comes_back_with_time(self) -> None:
        limiter = RateLimiter(10)
        for _ in range(20):
            limiter.judge("192.0.2.1", 100.0)
        assert [limiter.judge("192.0.2.1", 100.5) for _ in range(6)].count(Verdict.ANSWER) == 5

    def test_clients_do_not_share_an_allowance_and_addresses_of_one_56_do(self) -> None:
        limiter = RateLimiter(1)
        assert limiter.judge("192.0.2.1", 0.0) is limiter.judge("192.0.2.2", 0.0) is Verdict.ANSWER
        assert limiter.judge("2001:db8:0:1::1", 0.0) is Verdict.ANSWER
        assert limiter.judge("2001:db8:0:2::1", 0.0) is not Verdict.ANSWER
        assert limiter.judge("2001:db8:0:100::1", 0.0) is Verdict.ANSWER

    def test_a_packed_address_is_the_same_client_as_its_text(self) -> None:
        limiter = RateLimiter(1)
        assert limiter.judge("192.0.2.1", 0.0) is Verdict.ANSWER
        assert limiter.judge(socket.inet_aton("192.0.2.1"), 0.0) is not Verdict.ANSWER

    def test_those_who_share_a_table_share_the_allowance(self) -> None:
        table = memoryview(bytearray(TABLE_BYTES))
        workers = [RateLimiter(100, table, b"secret") for _ in range(3)]
        verdicts = [workers[number % 3].judge("192.0.2.1", 100.0) for number in range(600)]
        assert verdicts.count(Verdict.ANSWER) == 100

    def test_a_forwarder_has_many_times_the_rate(self) -> None:
        limiter = RateLimiter(10)
        assert [limiter.judge("192.0.2.1", 1.0, 10) for _ in range(300)].count(Verdict.ANSWER) == 100

    def test_who_has_used_its_allowance_is_not_forgotten_for_others(self) -> None:
        limiter = RateLimiter(5, memoryview(bytearray(16 * WAYS)), b"secret")
        for number in range(WAYS - 1):
            limiter.judge(f"10.0.0.{number}", 100.0 - number)
        while limiter.judge("192.0.2.1", 100.0) is Verdict.ANSWER:
            pass
        for number in range(100):
            limiter.judge(f"10.0.1.{number}", 100.0)
            assert limiter.judge("192.0.2.1", 100.0) is not Verdict.ANSWER


class TestHealth:
    def test_silence_three_times_in_a_row_is_doubt_and_never_more(self) -> None:
        health, doubts = Health(), list[int]()
        health.on_doubt = lambda: doubts.append(health.silences)
        for sent_at in range(1, 6):
            health.silent(sent_at)
        assert (doubts, health.down) == ([3, 4, 5], False)
        health.alive(10)
        assert health.silences == 0

    def test_silence_means_nothing_where_another_question_was_answered_since(self) -> None:
        health = Health()
        for sent_at in range(50):
            health.heard(0.01, sent_at + 0.5)
            health.silent(sent_at)
        assert health.silences == 0

    def test_any_word_is_life_and_an_error_says_nothing_about_speed(self) -> None:
        health, returns = Health(), list[bool]()
        health.on_return = lambda: returns.append(health.down)
        health.heard(0.01, 1)
        health.failed(2)
        assert (health.down, health.down_for_s(5)) == (True, 3)
        health.alive(10)
        assert (health.down, returns, health.round_trip.srtt_s, health.down_for_s(11)) == (False, [False], 0.01, 0)

    def test_upstreams_of_like_speed_share_a_band_and_old_measures_fade(self) -> None:
        near, far = Health(), Health()
        near.heard(0.002, 0.0)
        far.heard(0.4, 0.0)
        assert near.band(0.0) == Health().band(0.0) == 0
        assert far.band(0.0) == 4
        assert far.band(600.0) == 0


def test_random_numbers_stay_in_range_and_differ() -> None:
    random = Randomness()
    ids = {random.id() for _ in range(5000)}
    assert max(ids) < 65536
    assert len(ids) > 4500
    assert {random.below(3) for _ in range(200)} == {0, 1, 2}
    assert random.bits(300).bit_length() > 2000


class TestFileWatch:
    def test_a_change_is_told_once_when_it_has_settled(self, tmp_path: Path) -> None:
        path = tmp_path / "list"
        path.write_text("a")
        watch = FileWatch([stamp_of(path)])
        assert not watch.changed()
        path.write_text("ab")
        assert not watch.changed()
        path.write_text("abc")
        assert not watch.changed()
        assert watch.changed()
        assert not watch.changed()

    def test_a_swapped_link_and_a_lost_file_are_changes(self, tmp_path: Path) -> None:
        (tmp_path / "one").write_text("x")
        (tmp_path / "two").write_text("y")
        link = tmp_path / "link"
        link.symlink_to("one")
        watch = FileWatch([stamp_of(link)])
        os.replace(_link_to(tmp_path, "two"), link)
        assert [watch.changed(), watch.changed()] == [False, True]
        link.unlink()
        assert [watch.changed(), watch.changed()] == [False, True]


def _link_to(folder: Path, target: str) -> Path:
    made = folder / "new"
    made.symlink_to(target)
    return made


def test_one_lost_poll_takes_no_pool_down() -> None:
    health = PoolHealth()
    told = []
    for up in (True, False, True, False, False, False, True):
        health.polled(up)
        told.append(health.down)
    assert told == [False, False, False, False, True, True, False]


class TestMetrics:
    def test_counts_and_sizes_add_up_and_common_facts_do_not(self) -> None:
        one, two = Metrics(), Metrics()
        for metrics in (one, two):
            metrics.count("replies", "forwarded", "NOERROR", by=3)
            metrics.gauge("cache_entries", 5)
            metrics.gauge("upstream_up", 1, "udp://192.0.2.53")
            metrics.observe("reply_seconds", 0.003)
        total = summed([one, two])
        assert total.counters["replies"]["forwarded", "NOERROR"] == 6
        assert total.gauges["cache_entries"][()] == 10
        assert total.gauges["upstream_up"]["udp://192.0.2.53",] == 1
        assert total.histograms["reply_seconds"][()][-1] == pytest.approx(0.006)

    @given(st.lists(st.floats(0, 10), min_size=1))
    def test_every_value_falls_into_one_bucket(self, values: list[float]) -> None:
        metrics = Metrics()
        for value in values:
            metrics.observe("reply_seconds", value)
        buckets = metrics.histograms["reply_seconds"][()]
        assert len(buckets) == len(LATENCY_BUCKETS) + 2
        assert sum(buckets[:-1]) == len(values)


SERVE_FLAGS = [
    [],
    ["--config", "/etc/kun.toml"],
    ["--config=/etc/kun.toml", "--workers", "2"],
    ["--listen", "127.0.0.1:53", "--listen=[::1]:53", "--upstream", "udp://192.0.2.53", "--vip", "203.0.113.1"],
    ["--prefix", "2001:db8::/96", "--prefix=64:ff9b::/96", "--admin", ""],
    ["--admin=", "--workers=0"],
    ["--workers", "two", "--vip", "x"],
    ["--workers", "-1"],
]


@pytest.mark.parametrize("arguments", SERVE_FLAGS, ids=" ".join)
def test_the_quick_reader_of_flags_agrees_with_the_command_line_library(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Source] = []
    monkeypatch.setattr("kun_dns64.processes.serve.serve", lambda source: seen.append(source) or 0)
    result = typer.testing.CliRunner().invoke(app, ["serve", *arguments])
    assert result.exit_code == 0, result.output
    assert [read_flags(arguments)] == seen


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--nonsense", "x"], ["--config"], ["--config", "--vip"], ["a"], ["-c", "x"]],
    ids=" ".join,
)
def test_what_the_quick_reader_does_not_know_it_leaves_alone(arguments: list[str]) -> None:
    assert read_flags(arguments) is None


@pytest.mark.parametrize(
    "command",
    [
        [],
        *(
            [name]
            for name in sorted(one.name or one.callback.__name__ for one in app.registered_commands if one.callback)
        ),
    ],
    ids=" ".join,
)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    result = typer.testing.CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


def test_a_file_that_may_not_be_read_is_told_as_every_error_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    config = tmp_path / "c.toml"
    config.touch()
    # To root every file is open.
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    monkeypatch.setattr(Path, "open", refuse)
    checked = typer.testing.CliRunner().invoke(app, ["check-config", str(config)])
    assert (checked.exit_code, checked.stderr) == (
        2,
        f"{config}: 1 error\n  file: cannot be read: Permission denied\n",
    )
    for command in (["serve", "-c", config], ["explain", "a", "--offline", "-c", config]):
        ended = typer.testing.CliRunner().invoke(app, list(map(str, command)))
        assert isinstance(ended.exception, ConfigError), ended.output
        assert str(ended.exception) == f"{config}: 1 error\n  file: cannot be read: Permission denied"


async def test_a_configuration_loaded_aside_is_the_same(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        '[upstream]\nservers = ["udp://192.0.2.53"]\n'
        '[[pool]]\nname = "o"\nvip = "203.0.113.1"\ndomains = ["example.org"]\n'
    )
    source = Source(config, Flags())
    here, aside = source.settings(), await load_aside(source)
    assert aside.groups == here.groups
    assert aside.rules.prefixes == here.rules.prefixes
    assert aside.rules.pool_of is not None
    assert aside.rules.pool_of.find(b"\x03www\x07example\x03org\x00") == "o"


class TestLink:
    """Both ends in one loop, over a real socket pair."""

    async def test_answers_find_their_questions_and_errors_cross_over(self) -> None:
        async def handle(name: str, arguments: tuple[Any, ...]) -> Any:
            if name == "fail":
                raise ValueError("no")
            await asyncio.sleep(arguments[0])
            return name

        async with linked(handle) as link:
            assert await asyncio.gather(link.ask("slow", 0.1), link.ask("fast", 0)) == ["slow", "fast"]
            with pytest.raises(ValueError, match="no"):
                await link.ask("fail")
            with pytest.raises(TimeoutError):
                await link.ask("late", 5, within_s=0.05)

    async def test_a_question_to_an_end_that_closes_fails_at_once(self) -> None:
        async def never(name: str, arguments: tuple[Any, ...]) -> None:
            await asyncio.Event().wait()

        async with linked(never) as link:
            asking = asyncio.create_task(link.ask("anything"))
            await asyncio.sleep(0.05)
            link.close()
            with pytest.raises(LinkClosed):
                await asking

    async def test_a_message_beyond_the_bound_is_not_sent_and_the_link_goes_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def size(name: str, arguments: tuple[Any, ...]) -> int:
            return len(arguments[0])

        monkeypatch.setattr("kun_dns64.processes.worker_rpc.MAX_MESSAGE", 1000)
        async with linked(size) as link:
            with pytest.raises(OSError, match="1000 is the most"):
                await link.ask("size", bytes(1001))
            assert await link.ask("size", bytes(900)) == 900

    async def test_an_end_that_announces_more_than_the_bound_is_left(self) -> None:
        """Not read: its length alone would have us wait for, and keep, up to 4 GiB."""

        async def never(name: str, arguments: tuple[Any, ...]) -> None:
            raise AssertionError(name)

        here, there = socket.socketpair()
        with here, there:
            there.sendall((MAX_MESSAGE + 1).to_bytes(4) + bytes(1000))
            here.setblocking(False)
            async with asyncio.timeout(5):
                await Link(here, never).run()

    async def test_large_messages_pass(self) -> None:
        async def size(name: str, arguments: tuple[Any, ...]) -> int:
            return len(arguments[0])

        async with linked(size) as link:
            assert await link.ask("size", bytes(5_000_000)) == 5_000_000


class linked:
    def __init__(self, handler: Any) -> None:
        self._handler = handler

    async def __aenter__(self) -> Link:
        here, there = socket.socketpair()
        for sock in (here, there):
            sock.setblocking(False)
        self._near, self._far = Link(here, self._handler), Link(there, self._handler)
        self._tasks = [asyncio.create_task(link.run()) for link in (self._near, self._far)]
        await asyncio.sleep(0.02)
        return self._near

    async def __aexit__(self, *_: object) -> None:
        self._near.close()
        self._far.close()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.sleep(0)
