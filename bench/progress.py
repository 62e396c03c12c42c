"""What runs now and how long is left: a bar on a terminal, one line a step elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def clock_text(seconds: float) -> str:
    """ "0:07", "12:30": minutes and seconds."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def rescaled(guess_left: float, guess_all: float, spent: float) -> float:
    """Time left, corrected by how wrong the guess has been so far (after its first tenth)."""
    guess_done = guess_all - guess_left
    if guess_done < guess_all / 10 or guess_done <= 0:
        return guess_left
    return guess_left * spent / guess_done


@contextmanager
def telling() -> Iterator[Callable[[str, float], None]]:
    """Gives a function for rounds.run_rounds."""
    begun = time.monotonic()
    first: list[float] = []

    def left(guess: float) -> float:
        first.append(guess)
        return rescaled(guess, first[0], time.monotonic() - begun)

    if not sys.stderr.isatty():
        yield lambda what, guess: print(f"{what}  (about {clock_text(left(guess))} left)", file=sys.stderr, flush=True)
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting")

        def tell(what: str, guess: float) -> None:
            remaining = left(guess)
            bar.update(
                task,
                total=first[0],
                completed=first[0] - guess,
                description=f"{what}  [dim]{clock_text(remaining)} left[/dim]",
            )

        yield tell
