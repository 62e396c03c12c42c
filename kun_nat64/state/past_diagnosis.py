"""What the agent found wrong, for people to read later."""

from dataclasses import dataclass

from kun_nat64.policy.diagnosis import Cause


@dataclass(frozen=True, slots=True)
class PastDiagnosis:
    """A diagnosis and when it held, by the wall clock. `until` None: it still does."""

    cause: Cause
    words: str
    at: float
    until: float | None = None
