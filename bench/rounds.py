"""The rounds: every server in turn, session by session, each round beginning with another server."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.bed import Bed
from bench.plan import seconds_of
from bench.results import Results
from bench.session import Contender, run_session, steps_of

Tell = Callable[[str, float], None]
"""Called before each session with what comes, and the guessed seconds of all that is left, this session included."""


def rotated(contenders: Sequence[Contender], number: int) -> list[Contender]:
    shift = number % len(contenders) if contenders else 0
    return [*contenders[shift:], *contenders[:shift]]


def schedule(bed: Bed, contenders: Sequence[Contender]) -> list[tuple[int, str, Contender]]:
    """(round, session, contender) in running order: the servers interleave, so that a slow minute hits all of them."""
    return [
        (number, session, contender)
        for number in range(bed.plan.rounds)
        for session in bed.plan.sessions_of(number)
        for contender in rotated(contenders, number)
        if steps_of(session, contender.peer)
    ]


def run_rounds(bed: Bed, contenders: Sequence[Contender], results: Results, tell: Tell) -> None:
    planned = schedule(bed, contenders)
    left_s = sum(seconds_of(session, bed.plan) for _, session, _ in planned)
    seen = -1
    for number, session, contender in planned:
        if number != seen:
            seen = number
            clear_round(bed, contenders)
        tell(f"round {number + 1}/{bed.plan.rounds}, {session}: {contender.peer.title}", left_s)
        run_session(session, replace(bed, round=number), contender, results)
        left_s -= seconds_of(session, bed.plan)


def clear_round(bed: Bed, contenders: Sequence[Contender]) -> None:
    for path in bed.folder.glob("round*"):
        path.unlink()
    for contender in contenders:
        contender.known.clear()
