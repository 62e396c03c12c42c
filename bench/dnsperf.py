"""dnsperf: its command line and what it prints."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.process import BenchError

TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Report:
    """One dnsperf run."""

    sent: int
    completed: int
    noerror: int
    seconds: float

    @property
    def bad_share(self) -> float:
        """Queries that were lost or answered with an error."""
        return 1 - self.noerror / self.sent if self.sent else 1.0


def command(
    port: int, path: str, *, clients: int, outstanding: int, mode: str = "udp", limit: Sequence[str] = ("-n", "1")
) -> list[str]:
    """`limit` is ("-n", passes) or ("-l", seconds)."""
    where = ["dnsperf", "-m", mode, "-s", "127.0.0.1", "-p", str(port), "-d", path]
    return [*where, "-c", str(clients), "-q", str(outstanding), "-t", str(TIMEOUT_S), *limit]


def parse(text: str) -> Report:
    """Raises BenchError when a figure is missing."""
    codes = re.search(r"Response codes:(.*)", text)
    noerror = re.search(r"NOERROR (\d+)", codes[1]) if codes else None
    return Report(
        sent=int(figure(text, r"Queries sent:\s+(\d+)")),
        completed=int(figure(text, r"Queries completed:\s+(\d+)")),
        noerror=int(noerror[1]) if noerror else 0,
        seconds=float(figure(text, r"Run time \(s\):\s+([\d.]+)")),
    )


def figure(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    if not found:
        raise BenchError(f"dnsperf printed no {pattern.split(':')[0]!r}")
    return found[1]
