"""Says what is being done and how long is left: a bar on a terminal, one line per step elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn


class Reporter(Protocol):
    """What a long operation tells about itself. Weights are seconds on the machine they were measured on."""

    def expect(self, weights: dict[str, float]) -> None: ...

    def step(self, name: str) -> None: ...

    def within(self, share: float, detail: str = "") -> None: ...


class Silent:
    """Tells nothing."""

    def expect(self, weights: dict[str, float]) -> None:
        pass

    def step(self, name: str) -> None:
        pass

    def within(self, share: float, detail: str = "") -> None:
        pass


class Estimate:
    """Pure bookkeeping: how much is done, and how long the rest takes at the speed seen so far."""

    def __init__(self) -> None:
        self.weights: dict[str, float] = {}
        self.done: set[str] = set()
        self.current = ""
        self.share = 0.0

    def expect(self, weights: dict[str, float]) -> None:
        self.weights |= weights

    def step(self, name: str) -> None:
        if self.current:
            self.done.add(self.current)
        self.current, self.share = name, 0.0
        self.weights.setdefault(name, 1.0)

    @property
    def total(self) -> float:
        return sum(self.weights.values()) or 1.0

    def finished(self, elapsed_in_step_s: float) -> float:
        """Weight that is behind us. Within a step that reports nothing, time stands in for it, up to 95 %."""
        before = sum(self.weights[name] for name in self.done)
        if not self.current:
            return before
        weight = self.weights[self.current]
        return before + weight * max(self.share, min(0.95, elapsed_in_step_s / weight if weight else 0.0))

    def seconds_left(self, elapsed_s: float, elapsed_in_step_s: float) -> float:
        finished = self.finished(elapsed_in_step_s)
        # Early on, the measured speed says little: it counts fully from ten seconds' worth of work.
        trust = min(1.0, finished / 10.0)
        speed = trust * (elapsed_s / finished if finished else 1.0) + (1.0 - trust)
        return max(0.0, (self.total - finished) * speed)


def clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class Bar:
    """A rich progress bar, refreshed from a thread of rich's own."""

    def __init__(self, console: Console, title: str) -> None:
        self.estimate = Estimate()
        self.started = self.step_started = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("[dim]{task.fields[detail]}"),
        )
        owner = self

        class Live(Progress):
            def get_renderables(self) -> Iterator[object]:  # type: ignore[override]
                owner.refresh()
                yield from super().get_renderables()

        self.task: TaskID | None = None
        self.detail = ""
        self.progress = Live(*columns, console=console, transient=True)
        self.task = self.progress.add_task(title, total=1.0, left="", detail="")

    def refresh(self) -> None:
        if self.task is None:
            return
        now = time.monotonic()
        in_step = now - self.step_started
        left = self.estimate.seconds_left(now - self.started, in_step)
        self.progress.update(
            self.task,
            completed=self.estimate.finished(in_step) / self.estimate.total,
            description=self.estimate.current,
            left=f"about {clock_text(left)} left",
            detail=self.detail,
        )

    def expect(self, weights: dict[str, float]) -> None:
        self.estimate.expect(weights)

    def step(self, name: str) -> None:
        self.estimate.step(name)
        self.step_started, self.detail = time.monotonic(), ""

    def within(self, share: float, detail: str = "") -> None:
        self.estimate.share, self.detail = share, detail


class Lines:
    """For logs and pipes: each step once, with the time that is left."""

    def __init__(self) -> None:
        self.estimate = Estimate()
        self.started = time.monotonic()

    def expect(self, weights: dict[str, float]) -> None:
        self.estimate.expect(weights)

    def step(self, name: str) -> None:
        self.estimate.step(name)
        left = self.estimate.seconds_left(time.monotonic() - self.started, 0.0)
        print(f"{name} (about {clock_text(left)} left)", file=sys.stderr, flush=True)

    def within(self, share: float, detail: str = "") -> None:
        self.estimate.share = share


@contextmanager
def reporting(title: str) -> Iterator[Reporter]:
    """A bar where there is a terminal, lines where there is none."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    bar = Bar(console, title)
    with bar.progress:
        yield bar
