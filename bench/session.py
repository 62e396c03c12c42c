"""Sessions: a server is started, measured in several steps, ended. A step that fails leaves the others alone."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bench import steps
from bench.authority import free_port
from bench.bed import Bed
from bench.delayed_upstream import delayed_upstream
from bench.names import names, suffix_list
from bench.peers import Peer, Terms
from bench.plan import FAR_LOSS, FAR_MS
from bench.process import BenchError
from bench.results import Results
from bench.server import Server, serving
from bench.steps import Step

STEPS: Mapping[str, tuple[Step, ...]] = {
    "steady": (steps.start, steps.cold, steps.hot, steps.half_load, steps.same_load, steps.tcp),
    "mixed": (steps.mixed_load,),
    "pair": (steps.pair,),
    "big": (steps.big,),
    "pool": (steps.pool, steps.pool_reload),
    **{session: (steps.far,) for session in FAR_MS},
}
WITHOUT_NAMES: Mapping[str, tuple[Step, ...]] = {"steady": (steps.hot, steps.half_load, steps.same_load)}
POOLS_IN = ("kun",)


@dataclass(slots=True)
class Contender:
    """A peer with its program; `known` carries figures from session to session within a round."""

    peer: Peer
    program: str
    version: str = ""
    known: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.peer.title} {self.version}".strip()


def steps_of(session: str, peer: Peer) -> tuple[Step, ...]:
    """() where a session has nothing to measure of this peer."""
    if session == "pool" and peer.key not in POOLS_IN:
        return ()
    return STEPS[session] if peer.resolves else WITHOUT_NAMES.get(session, ())


def run_session(session: str, bed: Bed, contender: Contender, results: Results) -> None:
    """Adds figures and failures to `results`."""
    if session not in FAR_MS:
        run_with(session, bed, contender, results)
        return
    try:
        with delayed_upstream(bed.folder, bed.cores.load, FAR_MS[session], FAR_LOSS) as port:
            run_with(session, replace(bed, upstream_port=port), contender, results)
    except BenchError as wrong:
        results.fail(contender.peer.key, session, str(wrong))


def run_with(session: str, bed: Bed, contender: Contender, results: Results) -> None:
    """`run_session` with the upstream that `bed` names."""
    folder = bed.folder / f"{session}-{contender.peer.key}"
    terms = Terms(
        folder=folder,
        port=free_port(),
        upstream_port=bed.upstream_port,
        workers=2 if session == "pair" else 1,
        entries=bed.plan.big_names if session == "big" else bed.plan.cached_names,
        suffixes=bed.written("suffixes.txt", lambda: suffixes(bed)) if session == "pool" else None,
    )
    cores = bed.cores.pair if session == "pair" else bed.cores.server
    try:
        with serving(contender.peer, contender.program, terms, cores) as server:
            run_steps(session, bed, server, contender, results)
    except BenchError as wrong:
        results.fail(contender.peer.key, session, str(wrong))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_steps(session: str, bed: Bed, server: Server, contender: Contender, results: Results) -> None:
    for step in steps_of(session, contender.peer):
        try:
            found = step(bed, server, contender.known)
        except BenchError as wrong:
            results.fail(contender.peer.key, step.__name__, str(wrong))
            continue
        contender.known.update(found)
        rows = {row: value for row, value in found.items() if not row.startswith("_")}
        if session in FAR_MS:
            rows = {f"{row}_{session}": value for row, value in rows.items()}
        results.add(contender.peer.key, rows)


def suffixes(bed: Bed) -> bytes:
    listed = (name.rstrip(".") for name in names(bed.plan.cold_names))
    return "".join(f"{line}\n" for line in suffix_list(bed.plan.suffixes, listed)).encode()
