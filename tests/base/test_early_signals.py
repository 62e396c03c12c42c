"""Both programs, as processes: signals that come before they are ready.

Their configuration is a pipe. A program that opens it is in the middle of its start and stays there until the test has
written; opening it a second time is a reload.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nat64.conftest import SHIPPED
from tests.ports import free_port

PATIENT_S = 20.0
# All that the agent needs is there and fails: it changes nothing and goes on.
TOOLS = ("jool", "iptables-save", "ip6tables-save", "ip6tables-restore", "gobgp", "modprobe", "nft")


class Starting:
    def __init__(self, folder: Path, *argv: str, path: str = "") -> None:
        self.config, self.log = folder / "program.toml", folder / "log"
        os.mkfifo(self.config)
        env = {**os.environ, "PATH": f"{path}{os.environ['PATH']}"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*argv, "--config", str(self.config)], stdout=log, stderr=log, env=env)

    def reads(self, within_s: float = PATIENT_S) -> int | None:
        """The pipe, open for writing, as soon as the program has opened it; None if it does not."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            try:
                return os.open(self.config, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:  # nobody has opened it for reading
                    raise
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log.read_text()}"
            time.sleep(0.01)
        return None

    def give(self, text: str, *first: signal.Signals) -> None:
        """The file's content; before that, while the program waits for it, signals."""
        pipe = self.reads()
        assert pipe is not None, self.log.read_text()
        self.send(*first)
        os.write(pipe, text.encode())
        os.close(pipe)
        time.sleep(0.1)  # until it has closed its end, or one reading would look like two

    def says(self, words: str) -> None:
        end = time.monotonic() + PATIENT_S
        while words not in self.log.read_text():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    def send(self, *numbers: signal.Signals) -> None:
        for number in numbers:
            self.process.send_signal(number)

    def ends(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENT_S)


@pytest.fixture(params=["kun-dns64", "kun-nat64"])
def starting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Starting, str]]:
    program = str(Path(sys.executable).with_name(request.param))
    if request.param == "kun-dns64":
        listen = f'listen = ["127.0.0.1:{free_port()}"]'
        text = f'[server]\n{listen}\nworkers = 1\n[admin]\nlisten = ""\n[upstream]\nservers = ["udp://127.0.0.1:9"]\n'
        it = Starting(tmp_path, program, "serve")
    else:
        text = SHIPPED.read_text().replace("127.0.0.1:9465", f"127.0.0.1:{free_port()}")
        it = agent(tmp_path, program)
    yield it, text
    if it.process.poll() is None:
        it.process.kill()
        it.process.wait()


def agent(folder: Path, program: str) -> Starting:
    """In a network and a /run of its own: whatever it does, it does not do to this machine."""
    apart = shutil.which("unshare")
    if os.geteuid() != 0 or apart is None:
        pytest.skip("this machine gives no root, to make namespaces")
    for name in TOOLS:
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    alone = 'mount -t tmpfs none /run && exec "$@"'
    argv = (apart, "--net", "--mount", "sh", "-c", alone, "sh", program, "run", "--run-dir", str(folder / "run"))
    return Starting(folder, *argv, path=f"{folder}:")


def test_signals_during_the_start_are_one_reload_after_it(starting: tuple[Starting, str]) -> None:
    program, text = starting
    program.give(text, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
    program.give(text)  # the reload
    program.says("ready")
    assert program.reads(within_s=0.5) is None, "both were one"
    program.send(signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
    program.give(text)
    assert program.ends() == 0


def test_a_start_without_signals_reads_its_file_once(starting: tuple[Starting, str]) -> None:
    program, text = starting
    program.give(text)
    program.says("ready")
    assert program.reads(within_s=0.5) is None
    assert program.ends() == 0


def test_sigterm_ends_a_start_at_once(starting: tuple[Starting, str]) -> None:
    program, _ = starting
    assert program.reads() is not None
    program.process.terminate()
    assert program.process.wait(PATIENT_S) == 0
