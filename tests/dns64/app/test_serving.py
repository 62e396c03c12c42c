"""The whole program as a process: workers, reloads, stops, admin pages."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import aiohttp
import dns.message
import dns.rcode
import pytest

from kun_dns64.control.metrics_text import exposition
from kun_dns64.fastpath.selection import COMPILED
from kun_dns64.state.metrics import COUNTERS, GAUGES, HISTOGRAMS, Metrics, summed
from tests.dns64.app.running import PREFIX, PROGRAM, eventually, running
from tests.dns64.transport.fake import FakeUpstream, fake_upstream, good, reply_to
from tests.dns64.transport.test_random_case import lowered_then_right
from tests.ports import free_port

ANSWER = [f"{PREFIX}c000:221"]
ALONE_AND_TWO = pytest.mark.parametrize("workers", [1, 2])
BUILT = pytest.mark.skipif(not COMPILED, reason="kun_dns64 is not compiled (make venv)")
COMPILED_AND_NOT = pytest.mark.parametrize("compiled", [pytest.param(True, marks=BUILT), False])


@ALONE_AND_TWO
async def test_a_query_is_answered_by_udp_and_tcp(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        assert await one.addresses("www.t.example.") == ANSWER
        assert (await one.ask("www.t.example.", tcp=True)).answer[0][0].to_text() == ANSWER[0]


async def test_one_reply_in_another_case_leaves_the_case_random_towards_the_upstream(tmp_path: Path) -> None:
    """On the short way of the commonest misses, too."""
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        assert await one.addresses("the-first-of-these-names.t.example.") == ANSWER
        fake.script = lowered_then_right
        assert await one.addresses("the-second-of-these-names.t.example.") == ANSWER
        fake.script = good
        assert await one.addresses("the-third-of-these-names.t.example.") == ANSWER
        assert await one.number("upstream_case_fallbacks_total") == 2
        assert not any(b"the-third-of-these-names" in seen.wire for seen in fake.seen)


@ALONE_AND_TWO
async def test_numbers_are_summed_over_workers(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        await asyncio.gather(*(one.addresses(f"n{number}.t.example.") for number in range(40)))
        assert await one.number("queries_total") == 40
        assert await one.number("replies_total") == 40
        assert await one.number("workers") == workers
        assert len((await one.status())["workers"]) == workers


@COMPILED_AND_NOT
async def test_log_status_and_numbers_tell_whether_the_compiled_modules_run(tmp_path: Path, compiled: bool) -> None:
    environment = {} if compiled else {"KUN_PURE_PYTHON": "1"}
    async with fake_upstream() as fake, running(tmp_path, fake.port, environment=environment) as one:
        assert re.search(rf" ready listen=.* compiled={compiled}\b", one.log_text())
        assert (await one.status())["compiled"] is compiled
        assert await one.number("compiled") == compiled
        assert await one.addresses("www.t.example.") == ANSWER


@COMPILED_AND_NOT
def test_the_version_tells_whether_the_compiled_modules_run(compiled: bool) -> None:
    environment = dict(os.environ) if compiled else {**os.environ, "KUN_PURE_PYTHON": "1"}
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True, env=environment).stdout
    assert ("(compiled)" if compiled else "(pure Python)") in told


async def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=2) as one:
        first, second = [worker["pid"] for worker in (await one.status())["workers"]]
        os.kill(first, signal.SIGKILL)
        await one.until("worker_restarts_total", 1)
        await one.until("workers", 2)
        pids = {worker["pid"] for worker in (await one.status())["workers"]}
        assert second in pids
        assert first not in pids
        assert await asyncio.gather(*(one.addresses(f"n{number}.t.example.") for number in range(20))) == [ANSWER] * 20


async def test_a_name_has_one_home_among_workers_also_after_one_died(tmp_path: Path) -> None:
    """Whoever asks for it, in any case: only one worker asks the upstream. A new worker takes the place of the dead."""
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=3) as one:
        if "name-sharding-unavailable" in one.log_text():
            pytest.skip("this machine's kernel takes no SO_ATTACH_REUSEPORT_CBPF")
        for round_number in (0, 1):
            names = [f"n{round_number}-{number}.t.example." for number in range(30)]
            for name in (*names, *(name.upper() for name in names), *names, *(name.title() for name in names)):
                await one.ask(name)
            questions = [dns.message.from_wire(one.wire).question[0].name.to_text().lower() for one in fake.seen]
            asked_for = [question for question in questions if question in names]
            assert set(asked_for) == set(names)
            # An AAAA and an A for each, and a few asked again on a busy machine; without homes about 140.
            assert len(asked_for) < 75
            if not round_number:
                os.kill((await one.status())["workers"][0]["pid"], signal.SIGKILL)
                await one.until("worker_restarts_total", 1)
                await one.until("workers", 3)


async def test_a_reload_reaches_a_worker_born_after_it(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=2) as one:
        one.config.write_text(one.config.read_text().replace("198.51.100.64", "198.51.100.65"))
        one.hang_up()
        await one.until("config_reloads_total", 1)
        for worker in (await one.status())["workers"]:
            os.kill(worker["pid"], signal.SIGKILL)
        await one.until("worker_restarts_total", 2)
        await one.until("workers", 2)
        assert await one.addresses("www.t.example.") == ["2002:c633:6441::c000:221"]


async def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=2) as one:
        pids = [worker["pid"] for worker in (await one.status())["workers"]]
        one.process.kill()
        await one.process.wait()
        await eventually(lambda: all_gone(pids))


async def all_gone(pids: list[int]) -> bool:
    return not {str(pid) for pid in pids} & set(os.listdir("/proc"))


@ALONE_AND_TWO
async def test_a_stop_answers_what_was_taken(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        held = hold(fake)
        asking = [asyncio.create_task(one.addresses(f"n{number}.t.example.")) for number in range(10)]
        await eventually(lambda: asked(fake, 10))
        one.process.terminate()
        await asyncio.sleep(0.2)
        held.set()
        assert await asyncio.gather(*asking) == [ANSWER] * 10
        assert await one.process.wait() == 0


async def asked(fake: FakeUpstream, count: int) -> bool:
    """For so many names."""
    return len({dns.message.from_wire(one.wire).question[0].name for one in fake.seen}) >= count


def hold(fake: FakeUpstream) -> asyncio.Event:
    """Nothing is answered until the event is set; lost packets are sent again, so nobody goes without."""
    released = asyncio.Event()

    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        return good(query, transport) if released.is_set() else []

    fake.script = script
    return released


@ALONE_AND_TWO
async def test_a_port_that_another_process_serves_too_is_told(tmp_path: Path, workers: int) -> None:
    """Not refused: that is how one process takes over from another."""
    other = tmp_path / "other"
    other.mkdir()
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        assert "port-shared" not in one.log_text(), "sockets of the other workers are not another process's"
        async with running(other, fake.port, port=one.port) as second:
            assert f" port-shared listen=127.0.0.1:{one.port} other_sockets={workers} " in second.log_text()
            assert second.log_text().count("port-shared") == 1
            assert await second.addresses("www.t.example.") == ANSWER


async def test_a_restart_beside_the_old_process_loses_no_query(tmp_path: Path) -> None:
    """Both bind with SO_REUSEPORT; the old one leaves the group, answers its queue, and ends."""
    async with fake_upstream() as fake, running(tmp_path, fake.port) as old:
        results: list[list[str]] = []
        going_on = asyncio.Event()

        async def load(number: int) -> None:
            count = 0
            while not going_on.is_set():
                count += 1
                results.append(await old.addresses(f"n{number}-{count}.t.example."))

        loads = [asyncio.create_task(load(number)) for number in range(4)]
        other = tmp_path / "other"
        other.mkdir()
        async with running(other, fake.port) as new:
            new.config.write_text(new.config.read_text().replace(f":{new.port}", f":{old.port}"))
            new.hang_up()
            await new.until("config_reloads_total", 1)
            assert await old.stop() == 0
            await asyncio.sleep(0.3)
            going_on.set()
            await asyncio.gather(*loads)
        assert results == [ANSWER] * len(results)
        assert len(results) > 10


@ALONE_AND_TWO
async def test_admin_pages_tell_health_numbers_and_reasons(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        await one.addresses("www.t.example.")
        assert (await one.page("/healthz"))[0] == 200
        assert (await one.page("/readyz"))[0] == 200
        status, text = await one.page("/explain?name=www.t.example&type=AAAA&client=127.0.0.1")
        assert status == 200
        assert '"rule": "synthesised-nodata"' in text
        assert "RFC 6147" in text
        assert (await one.page("/explain"))[0] == 400
        assert (await one.page("/explain?name=a..b"))[0] == 400
        assert (await one.page("/explain?name=a&type=XYZ"))[0] == 400
        assert (await one.page("/explain?name=a&client=me"))[0] == 400


def test_metric_names_pass_promtool() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian package prometheus)")
    metrics = Metrics()
    for name, (_, labels) in COUNTERS.items():
        metrics.count(name, *labels)
    for name, (_, labels) in GAUGES.items():
        metrics.gauge(name, 1, *labels)
    for name, (_, labels) in HISTOGRAMS.items():
        metrics.observe(name, 0.01, *labels)
    text = exposition(summed([metrics, metrics]))
    checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


async def test_ready_to_forward_and_ready_to_synthesise_are_two_answers(tmp_path: Path) -> None:
    gone = free_port()
    more = {"[dns64]": f'gateway_status = ["http://127.0.0.1:{gone}/readyz"]\ngateway_poll_s = 0.1'}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        await one.until("gateways_up", 0)
        assert (await one.page("/readyz"))[0] == 200
        assert (await one.page("/readyz?want=synthesise"))[0] == 503


async def test_dead_upstreams_make_it_unready_and_alive(tmp_path: Path) -> None:
    async with running(tmp_path, free_port()) as one:
        assert (await one.ask("www.t.example.")).rcode() == dns.rcode.SERVFAIL
        assert (await one.page("/readyz"))[0] == 503
        assert (await one.page("/healthz"))[0] == 200


async def test_a_limited_client_gets_truncation_or_nothing_and_may_come_by_tcp(tmp_path: Path) -> None:
    more = {"[server]": "rate_limit_per_s = 5"}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        results = await asyncio.gather(
            *(one.ask("www.t.example.", timeout_s=1.5) for _ in range(40)), return_exceptions=True
        )
        replies = [reply for reply in results if isinstance(reply, dns.message.Message)]
        full = [reply for reply in replies if reply.answer]
        truncated = [reply for reply in replies if reply.flags & dns.flags.TC]
        assert 5 <= len(full) <= 10
        assert truncated
        # Every reply to a query with OPT has one, this one too (RFC 6891 section 6.1.1).
        assert {reply.edns for reply in truncated} == {0}
        assert len(full) + len(truncated) < 40
        assert (await one.ask("www.t.example.", tcp=True)).answer


async def test_an_answer_after_the_reply_is_kept_for_the_next(tmp_path: Path) -> None:
    """It answers what was asked long before: a question is sent three times, and not after its client was answered."""

    def is_aaaa(query: dns.message.Message) -> bool:
        return query.question[0].rdtype == dns.rdatatype.AAAA

    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        reply = reply_to(query)
        if is_aaaa(query):
            reply.authority.clear()
            reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "AAAA", "2001:db8::5"))
        return [reply.to_wire()]

    async with fake_upstream(script) as fake, running(tmp_path, fake.port) as one:
        fake.delay_s = lambda query: 2.5 if is_aaaa(query) else 0.0
        assert await one.addresses("www.t.example.") == ANSWER
        await one.until("late_aaaa_total", 1)
        assert await one.addresses("www.t.example.") == ["2001:db8::5"]


async def test_a_token_changes_by_the_admin_port_what_the_control_socket_does(tmp_path: Path) -> None:
    word = "0123456789abcdef0123456789abcdef"
    (tmp_path / "token").write_text(word)
    (tmp_path / "token").chmod(0o600)
    more = {"[admin]": f'token_file = "{tmp_path}/token"'}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as server:
        url = f"http://127.0.0.1:{server.admin}/flush?all=1"
        async with aiohttp.ClientSession() as http:
            for headers, expected in (
                (dict[str, str](), 401),
                ({"Authorization": f"Bearer {word}", "Origin": "http://evil.example"}, 403),
                ({"Authorization": f"Bearer {word}"}, 200),
            ):
                async with http.post(url, headers=headers) as answer:
                    assert answer.status == expected
            async with http.get(f"http://127.0.0.1:{server.admin}/status", headers={"Host": "evil.example"}) as answer:
                assert answer.status == 421
