"""What the probes have found: the health of each target, and counts for the metrics."""

from collections import Counter

from kun_nat64.model.health import ProbeResult
from kun_nat64.model.spec import Target
from kun_nat64.policy import health
from kun_nat64.policy.health import Health, HealthRules, TargetState
from kun_nat64.state.histogram import LATENCY_BOUNDS, Histogram


class ProbeState:
    """`counts`: results by target and symptom. Written through State, which agent/probe_loop.py calls."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self.health: Health = health.start(targets)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.latencies: dict[str, Histogram] = {}

    def take_targets(self, targets: tuple[Target, ...]) -> bool:
        """Other targets; those that stay keep what is known of them. True: they are not the same as before."""
        known = {one.target: one for one in self.health.targets}
        fresh = health.start(targets)
        self.health = Health(tuple(known.get(one.target, one) for one in fresh.targets))
        return known.keys() != {one.target for one in fresh.targets}

    def record(self, result: ProbeResult, rules: HealthRules, *, now: float) -> list[tuple[TargetState, TargetState]]:
        """Count a result. Returns the state before and after, where it has become another one."""
        name = result.target.text
        self.counts[name, result.symptom] += 1
        if result.latency_s is not None:
            self.latencies.setdefault(name, Histogram(LATENCY_BOUNDS)).add(result.latency_s)
        before, self.health = self.health, health.after_result(self.health, result, rules, now=now)
        return [
            (was.state, is_.state)
            for was, is_ in zip(before.targets, self.health.targets, strict=True)
            if was.state is not is_.state
        ]

    def forgive_stall(self, seconds: float) -> None:
        self.health = health.after_a_stall(self.health, seconds)
