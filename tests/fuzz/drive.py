"""One run: queries and upstreams' answers, most of them nearly good, through the compiled parts and the plain ones."""

import argparse
import random
import time
from collections import Counter
from pathlib import Path

from kun_dns64.fastpath.selection import COMPILED
from kun_dns64.model.question import Question
from tests.dns64.cache.memoworld import FLAGS, RULE_SETS, SOURCES, packet
from tests.dns64.cache.missworld import HANDED_OVER, NAMES, compare, upstream
from tests.dns64.conformance.garbage import mutated

CORPUS = Path(__file__).with_name("corpus.txt")
# Out of a hundred: queries that are wounded, answers that are.
WOUNDED_QUERIES, WOUNDED_ANSWERS = 8, 60
COOKIES = [((10, bytes(8)),), ((10, bytes(24)),)]
OPTIONS = [*[()] * 12, *COOKIES * 6, ((3, b""),), ((11, b""),), ((12, bytes(9)),)]


def corpus() -> list[bytes]:
    """Packets that were of interest, one in a line, in hex; # begins a comment."""
    lines = (line.partition("#")[0].strip() for line in CORPUS.read_text().splitlines())
    return [bytes.fromhex(line) for line in lines if line]


class Generator:
    def __init__(self, seed: int) -> None:
        self.rng, self.corpus = random.Random(seed), corpus()

    def query(self) -> bytes:
        draw = self.rng
        if draw.randrange(100) < 3:
            return draw.choice(self.corpus)
        wire = packet(
            draw.choice(NAMES),
            draw.choice(["A", "AAAA", "AAAA"]),
            draw.choice(FLAGS[:1] * 40 + FLAGS),
            draw.random() < 0.8,
            draw.choice([0, 512, 700, 1232, 4096, 65535]),
            draw.random() < 0.1,
            draw.choice(OPTIONS),
            draw.randrange(65536),
            draw.randrange(256),
        )
        return mutated(draw, [wire, *self.corpus]) if draw.randrange(100) < WOUNDED_QUERIES else wire

    def answer(self, asked: bytes, question: Question) -> bytes:
        """Id and question are right, so that it is read; what stands behind them is wounded as often as not.

        Both paths ask, and must hear the same: all chance comes from the question's own random bytes.
        """
        draw, good = random.Random(asked + bytes((question.qtype,))), upstream(asked, question)
        if draw.randrange(100) >= WOUNDED_ANSWERS:
            return good
        end = 12 + len(question.name) + 4
        wounded = mutated(draw, [good])
        rcode = bytes((draw.randrange(256),)) if draw.random() < 0.1 else good[3:4]
        counts = wounded[6:12] if len(wounded) >= 12 and draw.random() < 0.3 else good[6:12]
        return good[:3] + rcode + good[4:6] + counts + good[12:end] + wounded[end:]


def run(seconds: float, seed: int) -> Counter[str]:
    made, seen, ends = Generator(seed), Counter[str](), time.monotonic() + seconds
    # Most under rules that need nothing special, and from clients that do not either.
    names = [*RULE_SETS, *["usual"] * 12]
    while time.monotonic() < ends:
        wire, source = made.query(), str(made.rng.choice([*SOURCES, *[SOURCES[0]] * 12]))
        said = compare(wire, RULE_SETS[made.rng.choice(names)], made.answer, source, made.rng.choice([512, 1232, 4096]))
        seen["handed over" if said == HANDED_OVER else "answered" if said else "not taken"] += 1
    return seen


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    assert COMPILED, "the compiled parts are what is to be driven"
    seen = run(asked.seconds, asked.seed)
    total = seen.total()
    reached = (seen["answered"] + seen["handed over"]) / total
    print(f"{total} queries, {reached:.0%} reached the miss path: {dict(seen)}", flush=True)
    assert reached > 0.4


if __name__ == "__main__":
    main()
