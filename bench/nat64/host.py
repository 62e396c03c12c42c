"""The real machine's looks, over tools that stand in, for a gateway that is settled."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.nat64.planning import ANNOUNCED
from bench.nat64.stubs import write_tools
from bench.process import BenchError
from kun_nat64.drivers.real_host import RealHost
from kun_nat64.model.area import Area
from kun_nat64.model.observation import LinkReport, Observation, Scope
from kun_nat64.model.plan import Change
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import desired

# Looked at for real, and answered as desired: a kernel without sit and Jool has nothing to show here.
ASSUMED = (Area.LINKS, Area.MODULES, Area.SYSCTLS, Area.PROBES, Area.TABLES, Area.TENANTS)


class SettledHost(RealHost):
    """Never changes the machine."""

    def __init__(self, spec: AgentSpec) -> None:
        super().__init__(spec)
        self._outside = LinkReport(spec.gateway.outside, True, True, True, spec.gateway.outside_mtu, "fq_codel")
        self._assumed = frozenset(fact for fact in desired(spec, ANNOUNCED) if fact.area in ASSUMED)
        self._seen, self._shown = Observation(), Observation()

    async def observe(self, scope: Scope, *, fresh: bool = True) -> Observation:
        seen = await super().observe(scope, fresh=fresh)
        if seen is not self._seen:
            facts = frozenset(fact for fact in seen.facts if fact.area not in ASSUMED) | self._assumed
            failures = {area: error for area, error in seen.failures.items() if area not in ASSUMED}
            shown = replace(seen, facts=facts, failures=failures, foreign=(), links=(self._outside,))
            self._seen, self._shown = seen, shown
        return self._shown

    async def apply(self, changes: Sequence[Change]) -> None:
        """Only what goes to the stand-in of the BGP speaker."""
        other = [change for change in changes if change.fact.area is not Area.BGP]
        if other:
            raise BenchError(f"the stand-ins do not show the desired state: {other[0]}")
        await super().apply(changes)


def with_tools(folder: Path, spec: AgentSpec) -> None:
    """From now on this process finds the stand-ins first."""
    write_tools(folder, desired(spec, ANNOUNCED))
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
