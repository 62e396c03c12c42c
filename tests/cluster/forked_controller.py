"""kun-controller with short waits, as a child of a process that has read all of its code: it is there at once.

Run as a script, it reads the arguments of one controller a line, as JSON, starts it, and prints its process id. Its own
argument is how long a Lease is good for, in seconds.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.cluster.controller_process import ControllerProcess

ROOT = Path(__file__).resolve().parents[2]


class ForkedController(ControllerProcess):
    """One replica that looks every 0.1 s at what is to be written, and every 0.5 s at gateways and statuses."""

    def __init__(self, kubeconfig: Path, folder: Path, name: str, *flags: str, lease_s: float = 15.0) -> None:
        super().__init__(kubeconfig, folder, name, *flags)
        self._pid, self._starts = 0, 0
        argv = [sys.executable, "-m", "tests.cluster.forked_controller", str(lease_s)]
        with self._log.open("ab") as log:
            self._parent = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
            )

    def launch(self) -> None:
        """Start it. Every third time it has another identity, and has to wait until the Lease is free."""
        self._starts += 1
        where = self._argv.index("--identity") + 1
        argv = [*self._argv[1:where], f"{self.name}-{self._starts // 3}", *self._argv[where + 1 :]]
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(argv) + "\n")
        self._parent.stdin.flush()
        self._pid = int(self._parent.stdout.readline())

    @property
    def is_alive(self) -> bool:
        if not self._pid:
            return False
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """Return when nothing of it can come any more."""
        if not self._pid:
            return
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        while self.is_alive:
            time.sleep(0.001)

    def close(self) -> None:
        self.kill()
        self._parent.communicate(timeout=30)


def serve(lease_s: float) -> None:
    """Start controllers until there are no more lines."""
    from kun_cluster.cli import commands  # noqa: F401
    from kun_cluster.cli.main import main
    from kun_cluster.control import gateway_watch, leadership, service, writer  # noqa: F401
    from kun_cluster.policy import lease

    writer.ROUND_S, writer.TELL_EVERY_S, gateway_watch.EVERY_S = 0.1, 0.5, 0.5
    leadership.DURATION_S, leadership.RETRY_S = lease_s, 0.2  # type: ignore[attr-defined]
    lease.RENEW_WITHIN_S = lease_s * 2 / 3
    # The kernel forgets a child that has ended, so that its id tells whether it lives.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(2, 1)
            sys.argv = ["kun-controller", *json.loads(line)]
            main()
        print(pid, flush=True)


if __name__ == "__main__":
    serve(float(sys.argv[1]))
