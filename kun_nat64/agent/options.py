"""Where the agent finds its file and keeps its state."""

from dataclasses import dataclass, replace
from pathlib import Path

from kun_base.table_file import FILE_NAME
from kun_base.table_follower import FollowPlan
from kun_nat64.model.spec import AgentSpec


@dataclass(frozen=True, slots=True)
class Options:
    """Paths of the agent. `state_dir`: for state that survives a reboot; None: `run_dir` is used instead."""

    config: Path
    run_dir: Path
    state_dir: Path | None = None

    @property
    def lasting(self) -> Path:
        return self.state_dir or self.run_dir

    def followed(self, spec: AgentSpec) -> FollowPlan | None:
        """Where the table is kept: always, because commands use it too."""
        plan = spec.follow
        return replace(plan, file=plan.file or self.lasting / FILE_NAME) if plan is not None else None
