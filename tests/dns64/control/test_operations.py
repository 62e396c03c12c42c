"""The commands for the running server, as a person types them, against a real server with one and two workers."""

import asyncio
import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from kun_base.control_client import ask_socket
from tests.dns64.app.running import PREFIX, PROGRAM, Running, running
from tests.dns64.transport.fake import fake_upstream, reply_to
from tests.json_reference import undocumented

ANSWER = [f"{PREFIX}c000:221"]
ALONE_AND_TWO = pytest.mark.parametrize("workers", [1, 2])


async def command(one: Running, *words: str, code: int = 0) -> str:
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *words, "--config", one.config, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == code, (out, err)
    return (out if code == 0 else out + err).decode()


async def value(one: Running, *words: str, code: int = 0) -> Any:
    return json.loads(await command(one, *words, "--json", code=code))


@ALONE_AND_TWO
async def test_status_upstreams_and_pools_show_the_running_server(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        assert await one.addresses("www.t.example.") == ANSWER
        await one.logged("control-socket path=")
        status = await value(one, "status")
        assert undocumented(status, "kun_dns64.control.admin_pages", "Pages._status") == []
        assert (status["ready"]["forward"], len(status["workers"])) == (True, workers)
        assert f"127.0.0.1:{one.port}" in await command(one, "status")
        (upstream,) = (await value(one, "upstreams"))["upstreams"]
        assert (upstream["upstream"], upstream["up"], upstream["workers"]) == (
            f"udp://127.0.0.1:{fake.port}",
            True,
            workers,
        )
        (pool,) = (await value(one, "pools"))["pools"]
        assert (pool["pool"], pool["prefixes"], pool["up"]) == ("default", [f"{PREFIX}/96"], None)


@ALONE_AND_TWO
async def test_flush_forgets_a_name_a_tree_or_all_and_nothing_else(tmp_path: Path, workers: int) -> None:
    names = ("t.example.", "a.t.example.", "b.a.t.example.", "at.example.", "x.t.example.")
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:

        async def asked_again() -> set[str]:
            fake.seen.clear()
            for name in names:
                await one.ask(name)
            return {str(dns.message.from_wire(seen.wire).question[0].name).lower() for seen in fake.seen}

        await one.logged("control-socket path=")
        assert await asked_again() == set(names)
        assert await asked_again() == set()
        assert (await value(one, "flush", "A.t.example"))["flushed"] >= 1
        assert await asked_again() == {"a.t.example."}
        await command(one, "flush", "a.t.example", "--tree")
        assert await asked_again() == {"a.t.example.", "b.a.t.example."}
        await command(one, "flush", "t.example", "--tree")
        assert await asked_again() == set(names) - {"at.example."}
        await command(one, "flush", "--all")
        assert await asked_again() == set(names)


async def test_cache_shows_records_their_age_and_failures(tmp_path: Path) -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes]:
        reply = reply_to(query)
        if str(query.question[0].name).lower().startswith("bad"):
            reply.set_rcode(dns.rcode.SERVFAIL)
            reply.answer.clear()
        return [reply.to_wire()]

    async with fake_upstream(script) as fake, running(tmp_path, fake.port) as one:
        await one.ask("www.t.example.")
        await one.logged("control-socket path=")
        entries = {entry["type"]: entry for entry in (await value(one, "cache", "WWW.t.example"))["entries"]}
        assert entries["A"]["answer"][0].endswith("A 192.0.2.33")
        assert entries["A"]["state"] == "fresh"
        assert 290 <= entries["A"]["left_s"] <= 300
        assert "nothing cached" in await command(one, "cache", "other.t.example")
        # A failure is remembered for seconds only, less than a command may take to start.
        await one.ask("bad.t.example.")
        found = await asyncio.to_thread(ask_socket, tmp_path / "c.sock", "/cache", {"name": "bad.t.example"})
        assert {entry["state"] for entry in found.value["entries"]} == {"failure"}


@ALONE_AND_TWO
async def test_reload_says_what_changed_and_a_bad_file_changes_nothing(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        await one.logged("control-socket path=")
        assert (await value(one, "reload"))["changed"] == []
        text = one.config.read_text()
        one.config.write_text(text + '\n[cache]\nmax_ttl_s = 60\n[[client]]\nname = "x"\nnetworks = ["192.0.2.0/24"]\n')
        found = await value(one, "reload")
        assert found["changed"] == [
            "cache.max_ttl_s: (default) -> 60",
            "client[x].name: (default) -> 'x'",
            "client[x].networks: (default) -> ['192.0.2.0/24']",
        ]
        one.config.write_text(text + "\n[cache]\nmax_ttl = 60\n")
        assert "cache.max_ttl" in await command(one, "reload", code=1)
        assert (await value(one, "status"))["config"]["generation"] == found["generation"]
        assert (await value(one, "clients", "192.0.2.7"))["class"] == "x"


async def test_workers_wait_for_a_restart_where_one_process_does_it_all(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        await one.logged("control-socket path=")
        one.config.write_text(one.config.read_text().replace("workers = 1", "workers = 2"))
        assert (await value(one, "reload"))["needs_restart"] == ["server.workers"]


async def test_clients_shows_class_and_permission(tmp_path: Path) -> None:
    more = {"[[client]]": 'name = "dual"\nnetworks = ["2001:db8::/64"]\ndns64 = false'}
    async with fake_upstream() as fake, running(tmp_path, fake.port, more=more) as one:
        await one.logged("control-socket path=")
        found = await value(one, "clients", "2001:db8::7")
        assert (found["class"], found["dns64"], found["allowed"]) == ("dual", False, False)
        assert (await value(one, "clients", "127.0.0.1"))["class"] is None
        assert "for example" in await command(one, "clients", "nonsense", code=1)


@ALONE_AND_TWO
async def test_explain_is_the_running_servers_own_view(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        await one.ask("www.t.example.")
        await one.logged("control-socket path=")
        found = await value(one, "explain", "www.t.example")
        assert {heard["from"] for heard in found["heard"]} <= {"cache", f"udp://127.0.0.1:{fake.port}"}
        assert "the running server" in await command(one, "explain", "www.t.example")
        offline = await value(one, "explain", "www.t.example", "--offline")
        assert "empty cache" in offline["view"]
        assert offline["answer"][0].endswith(ANSWER[0])


@ALONE_AND_TWO
async def test_top_and_tail_sample_queries_also_those_from_memory(tmp_path: Path, workers: int) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=workers) as one:
        await one.logged("control-socket path=")
        await one.ask("hot.t.example.")
        looking = asyncio.create_task(value(one, "top", "--names", "--seconds", "3"))
        tailing = asyncio.create_task(command(one, "tail", "--seconds", "3", "--json"))
        while not looking.done():
            await one.ask("hot.t.example.")
            await asyncio.sleep(0.02)
        found = await looking
        assert found["rows"][0]["name"] == "hot.t.example."
        assert found["rows"][0]["per_s"] > 1
        lines = [json.loads(line) for line in (await tailing).splitlines()]
        assert any(line["name"] == "hot.t.example." and line["type"] == "AAAA" for line in lines)


async def test_log_level_holds_until_the_next_reload(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port, workers=2) as one:
        await one.logged("control-socket path=")
        await command(one, "log-level", "error")
        assert "one of debug" in await command(one, "log-level", "loud", code=1)


async def test_the_socket_is_for_its_owner_alone_and_a_second_server_leaves_it(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        await one.logged("control-socket path=")
        assert stat.S_IMODE(os.stat(tmp_path / "c.sock").st_mode) == 0o600
        second = tmp_path / "second"
        second.mkdir()
        more = {"[control]": f'socket = "{tmp_path / "c.sock"}"'}
        async with running(second, fake.port, more=more) as other:
            await other.logged("another kun-dns64 serves it")
        assert (await value(one, "status"))["ready"]["forward"]


async def test_without_a_server_a_command_says_where_it_looked(tmp_path: Path) -> None:
    config = tmp_path / "kun-dns64.toml"
    config.write_text('[control]\nsocket = "nobody.sock"\n')
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "status", "--config", config, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert f"{tmp_path}/nobody.sock" in err.decode()


async def test_a_support_bundle_masks_secrets(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        await one.logged("control-socket path=")
        out = tmp_path / "bundle.tar.gz"
        await command(one, "support-bundle", "--output", str(out))
        assert "cannot write" in await command(one, "support-bundle", "--output", str(out), code=1)
        with tarfile.open(out) as tar:
            texts = {member.name: tar.extractfile(member).read().decode() for member in tar}
    assert json.loads(texts["bundle/status.json"])["program"] == "kun-dns64"
    assert "servers" in texts["bundle/config.toml"]


async def test_the_path_test_names_the_step_that_fails(tmp_path: Path) -> None:
    async with fake_upstream() as fake, running(tmp_path, fake.port) as one:
        words = ("test", "--server", f"127.0.0.1:{one.port}", "--name", "www.t.example", "--json")
        process = await asyncio.create_subprocess_exec(PROGRAM, *words, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        steps = {step["name"]: step["state"] for step in json.loads(out)["steps"]}
        assert steps["DNS by UDP"] == steps["DNS by TCP"] == steps["prefix (RFC 7050)"] == "ok"
        assert steps["AAAA of www.t.example"] == "ok"
        assert process.returncode == (1 if steps["route to the prefix"] == "failed" else 0)
