"""What every measurement of one round shares: cores, query files, the load programs, the authority."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.ctools import LoadReport, parse_load
from bench.dnsperf import Report, command, parse
from bench.machine import Cores
from bench.names import names, shuffled
from bench.plan import FAR_WINDOW, Plan
from bench.process import BenchError, output_of
from bench.queries import dnsperf_lines, framed, query

BAD_SHARE_MAX = 0.01
GRACE_S = 30.0
COLD_FLOOR = 300  # answers a second below which a cold run is given up
COLD_CLIENTS, COLD_WINDOW = 10, 100


@dataclass(frozen=True, slots=True)
class Bed:
    plan: Plan
    cores: Cores
    folder: Path
    upstream_port: int
    load_program: str
    round: int

    def hot_wire(self) -> Path:
        return self.written("hot.bin", lambda: framed(query(name) for name in names(self.plan.hot_names)))

    def hot_text(self) -> Path:
        return self.written("hot.txt", lambda: dnsperf_lines(names(self.plan.hot_names)).encode())

    def cold_text(self, count: int) -> Path:
        return self.written(f"cold-{count}.txt", lambda: dnsperf_lines(shuffled(count, self.round)).encode())

    @property
    def suffix_file(self) -> Path:
        """The domain list of this round's pool, once it is written."""
        return self._file("suffixes.txt")

    def _file(self, name: str) -> Path:
        return self.folder / f"round{self.round}-{name}"

    def written(self, name: str, content: Callable[[], bytes]) -> Path:
        """One file a round for all servers: they are asked the same in the same order."""
        path = self._file(name)
        if not path.exists():
            path.write_bytes(content())
        return path

    def load(self, port: int, mode: str, number: float, path: Path, *, seconds: float, passes: int = 0) -> LoadReport:
        return self.load_from(self.cores.load, self.plan.sockets, port, mode, number, path, seconds, passes)

    def load_from(
        self,
        cores: tuple[int, ...],
        sockets: int,
        port: int,
        mode: str,
        number: float,
        path: Path,
        seconds: float,
        passes: int = 0,
    ) -> LoadReport:
        """Our own load program. Raises BenchError when more than 1 % of the queries got no good answer."""
        figures = [f"{number:.3f}", "127.0.0.1", port, sockets, f"{seconds:.3f}", passes, path]
        argv = [self.load_program, mode, *(str(figure) for figure in figures)]
        report = parse_load(output_of(argv, cores, seconds + GRACE_S))
        check_share(report.bad_share)
        return report

    def warm(self, port: int) -> None:
        """Every hot name a few times, gently, so that all of them are cached."""
        self.load(port, "window", 50, self.hot_wire(), seconds=20, passes=3)

    def cold(self, port: int, count: int) -> Report:
        """Every name once, by dnsperf."""
        path = str(self.cold_text(count))
        argv = command(port, path, clients=COLD_CLIENTS, outstanding=COLD_WINDOW)
        report = parse(output_of(argv, self.cores.load, count / COLD_FLOOR + GRACE_S))
        check_share(report.bad_share)
        return report

    def far(self, port: int, count: int) -> Report:
        """Names that are not in the zone, each once; those whose packets were lost thrice may fail."""
        path = self.written(f"far-{count}.txt", lambda: dnsperf_lines(shuffled(count, self.round)).encode())
        argv = command(port, str(path), clients=COLD_CLIENTS, outstanding=FAR_WINDOW)
        report = parse(output_of(argv, self.cores.load, count / COLD_FLOOR + GRACE_S))
        check_share(report.bad_share)
        return report

    def tcp(self, port: int) -> Report:
        argv = command(
            port,
            str(self.hot_text()),
            clients=self.plan.tcp_connections,
            outstanding=self.plan.tcp_window,
            mode="tcp",
            limit=("-l", f"{self.plan.seconds:.0f}"),
        )
        report = parse(output_of(argv, self.cores.load, self.plan.seconds + GRACE_S))
        check_share(report.bad_share)
        return report


def check_share(bad: float) -> None:
    if bad > BAD_SHARE_MAX:
        raise BenchError(f"{bad:.1%} of the queries were lost or got no good answer")
