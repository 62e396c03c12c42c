"""kun-dns64 and CoreDNS as processes of their own, as an operator starts them."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

START_S = 30


def page(url: str) -> str:
    """The body, or "" while nobody answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            text: str = reply.read().decode()
            return text
    except (urllib.error.URLError, OSError):
        return ""


class Program:
    """One process; its output goes to a file that an error message quotes."""

    def __init__(self, argv: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self._argv, self._log, self._environment = argv, log, environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[str], bool]) -> None:
        with self._log.open("wb") as output:
            environment = os.environ | self._environment
            self._process = subprocess.Popen(self._argv, stdout=output, stderr=output, env=environment)
        end = time.monotonic() + START_S
        while not ready(self.output()):
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"{self._argv[0]} did not start: {self.output()[-2000:]}")
            time.sleep(0.05)

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def kun_dns64(folder: Path, config: str) -> Program:
    file = folder / "kun-dns64.toml"
    file.write_text(config)
    command = str(Path(sys.executable).parent / "kun-dns64")
    return Program([command, "serve", "--config", str(file)], folder / "kun-dns64.log")
