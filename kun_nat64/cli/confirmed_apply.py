"""`apply --confirm-within SECONDS`: a change that is undone unless the operator confirms it.

A process in a session of its own makes the change, so it runs on if the change cuts the operator's connection. It rolls
back to the facts observed before; a running agent goes back to the file before.
"""

import asyncio
import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kun_nat64.cli.apply import apply_once
from kun_nat64.cli.errors import complain
from kun_nat64.cli.exit_codes import DONE, FAILED, REFUSED
from kun_nat64.cli.followed import load_followed
from kun_nat64.cli.machine import change
from kun_nat64.cli.rollback import take_file, with_record
from kun_nat64.drivers import filehistory, runfiles
from kun_nat64.drivers.preflight import missing_for_changes
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.model.facts import Facts
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import scope
from kun_nat64.policy.diff import plan

MARKER, PENDING = "confirmed", "unconfirmed"
POLL_S = 0.2


def apply_until_confirmed(config: Path, run_dir: Path, folder: Path, seconds: float, *, force: bool) -> int:
    """Apply, wait for `kun-nat64 confirm` or Enter, else undo. Exit 0: confirmed, 1: undone, 11: refused."""
    spec = load_followed(config, run_dir)
    if missing := missing_for_changes(spec):
        return complain("\n".join(map(str, missing)))
    run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    if (run_dir / PENDING).exists() and _alive(run_dir / PENDING):
        return complain("another apply waits for its confirmation: `kun-nat64 confirm` first")
    (run_dir / MARKER).unlink(missing_ok=True)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _detached(writing, lambda: _apply_and_wait(spec, config, run_dir, folder, seconds, force=force))
    os.close(writing)
    return _follow(child, reading, run_dir)


def confirm(run_dir: Path) -> int:
    """Confirm the pending change."""
    if not _alive(run_dir / PENDING):
        return complain("no change waits for a confirmation: it was confirmed, or undone, before")
    (run_dir / MARKER).touch(mode=0o600)
    print("confirmed: the change stays")
    return DONE


def _alive(pending: Path) -> bool:
    try:
        os.kill(int(pending.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def _detached(writing: int, work: Callable[[], int]) -> None:
    """Run in the child; never returns. If the reader is gone, output is lost and the change continues."""
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    code = FAILED
    try:
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, 0)
        sys.stdout = sys.stderr = os.fdopen(writing, "w", buffering=1, errors="replace")
        code = work()
    except BaseException as error:
        with contextlib.suppress(OSError, ValueError):
            print(f"failed: {error!r}")
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _follow(child: int, reading: int, run_dir: Path) -> int:
    """Show what the child prints; Enter on a terminal confirms."""
    typing = [sys.stdin.fileno()] if sys.stdin.isatty() else []
    while True:
        ready, _, _ = select.select([reading, *typing], [], [])
        if reading in ready:
            data = os.read(reading, 65536)
            if not data:
                break
            sys.stdout.write(data.decode(errors="replace"))
            sys.stdout.flush()
        elif typing:
            sys.stdin.readline()
            typing = []
            (run_dir / MARKER).touch(mode=0o600)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _apply_and_wait(spec: AgentSpec, config: Path, run_dir: Path, folder: Path, seconds: float, *, force: bool) -> int:
    with_agent = runfiles.running_pid(run_dir) is not None
    before = None if with_agent else asyncio.run(_facts(spec))
    (run_dir / PENDING).write_text(str(os.getpid()))
    try:
        code = take_file(config, run_dir) if with_agent else apply_once(config, run_dir, force=force)
        if code == REFUSED:
            return code
        if code == DONE and _confirmed(run_dir, seconds):
            with_record(folder, config, "apply", complain)
            print("confirmed: the change stays")
            return DONE
        print("the change failed: undoing it" if code else f"not confirmed within {seconds:g} s: undoing the change")
        _undo(spec, before, config, run_dir, folder)
        return FAILED
    finally:
        (run_dir / PENDING).unlink(missing_ok=True)
        (run_dir / MARKER).unlink(missing_ok=True)


def _confirmed(run_dir: Path, seconds: float) -> bool:
    print(f"applied. Confirm within {seconds:g} s with Enter or `kun-nat64 confirm`; otherwise it is undone")
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if (run_dir / MARKER).exists():
            return True
        time.sleep(POLL_S)
    return False


async def _facts(spec: AgentSpec) -> Facts:
    host = RealHost(spec)
    try:
        return (await host.observe(scope(spec))).facts
    finally:
        host.close()


def _undo(spec: AgentSpec, before: Facts | None, config: Path, run_dir: Path, folder: Path) -> None:
    if before is not None:
        asyncio.run(_back_to(spec, before))
        return
    entry = filehistory.newest_other(folder, config)
    if entry is None:
        print(f"the agent keeps {config}: no earlier file is known")
        return
    aside = filehistory.put_back(folder, entry, config)
    print(f"{config} is the earlier file again; the new one is in {aside}")
    take_file(config, run_dir)


async def _back_to(spec: AgentSpec, before: Facts) -> None:
    host = RealHost(spec)
    try:
        todo = plan(before, await host.observe(scope(spec)))
        await change(todo, host)
        rest = plan(before, await host.observe(scope(spec)))
        print(f"undone: {len(todo.changes)} changes" if not rest else f"what could not be undone:\n{rest}")
    finally:
        host.close()
