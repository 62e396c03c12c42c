"""kun-controller as a process of its own, against the real API server."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cluster.stream_reader import Reader
from tests.ports import free_port

TOKEN = "consumers-token"
START_S = 60


class ControllerProcess:
    """One replica. `flags` go behind its own."""

    def __init__(self, kubeconfig: Path, folder: Path, name: str, *flags: str) -> None:
        self.name, self.port, self.admin = name, free_port(), free_port()
        (folder / "tokens").write_text(f"# of consumers\n{TOKEN}\n")
        self._log = folder / f"{name}.log"
        self._argv = [
            str(Path(sys.executable).parent / "kun-controller"), "run", "--kubeconfig", str(kubeconfig),
            "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}",
            "--token-file", str(folder / "tokens"), "--identity", name, "--cluster", "test", *flags,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._readers: list[Reader] = []

    def start(self, *, ready: bool = True) -> "ControllerProcess":
        self.launch()
        self.wait(lambda: self.page("/readyz" if ready else "/healthz") is not None, START_S)
        return self

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self, what: Callable[[], bool], timeout_s: float = 30.0) -> float:
        """Wait until something is so; returns the seconds it took."""
        start = time.monotonic()
        while not what():
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > start + timeout_s:
                raise AssertionError(f"{self.name}: {self.output()[-3000:]}")
            time.sleep(0.02)
        return time.monotonic() - start

    def page(self, path: str) -> str | None:
        """Body of an admin page, or None when it is not there or not 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as reply:
                text: str = reply.read().decode()
                return text
        except OSError:
            return None

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.page("/status") or "{}")
        return found

    def follow(self, view: str = "all", have: str = "", name: str = "reader") -> Reader:
        """A consumer of this replica."""
        reader = Reader(self.port, TOKEN, view, have, name).start()
        self._readers.append(reader)
        return reader

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def pause(self) -> None:
        """It does nothing until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(30)
