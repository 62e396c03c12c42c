"""Starts and ends a drain, for the operator and for the controller's table."""

from collections.abc import Callable

from kun_nat64.model.drain import Drain, Phase
from kun_nat64.policy import drain as drain_policy
from kun_nat64.state.agent_state import State


class DrainControl:
    """Start and end drains. `store` returns why a drain could not be stored. `wake_traffic`: count sessions now."""

    def __init__(self, state: State, store: Callable[[Drain], str | None], wake_traffic: Callable[[], None]) -> None:
        self._state, self._store, self._wake_traffic = state, store, wake_traffic

    def restore(self, drain: Drain) -> None:
        """Continue the drain of an earlier agent."""
        self._state.take_drain(drain)

    def set(self, drain: Drain, keep: bool) -> str | None:
        """Act on a drain at once, and store it if `keep`. Returns why it could not be stored; it holds anyway."""
        state, before = self._state, self._state.drain
        state.take_drain(drain)
        if before.phase is not drain.phase:
            state.journal.info("drain", phase=drain.phase, was=before.phase, why=drain.why or None)
        problem = self._store(drain) if keep else None
        state.evaluate(now=state.clock())
        self._wake_traffic()
        return problem

    def note_sessions(self, left: int, oldest_s: float | None) -> None:
        """Note the number of live TCP sessions and the age of the oldest in seconds."""
        if self._state.drain.phase is Phase.DRAINING:
            self._state.take_drain(drain_policy.counted(self._state.drain, left, oldest_s))
