"""What a canary probe is and how it ended. Health has three values: ok, failed, and could-not-tell."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address

from kun_nat64.model.spec import Target


class ProbeOutcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Symptom(StrEnum):
    """What was seen at the end of one probe."""

    ANSWERED = "answered"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    NO_ROUTE_HERE = "no-route-from-gateway"
    NO_ROUTE_BEYOND = "no-route-from-beyond"
    NOT_SENT = "not-sent"
    STALLED = "agent-stalled"


# A refusal (TCP reset, DNS REFUSED) is an answer of the target: the packet made the whole trip and came back.
OUTCOME_OF: dict[Symptom, ProbeOutcome] = {
    Symptom.ANSWERED: ProbeOutcome.OK,
    Symptom.REFUSED: ProbeOutcome.OK,
    Symptom.TIMEOUT: ProbeOutcome.FAILED,
    Symptom.NO_ROUTE_HERE: ProbeOutcome.FAILED,
    Symptom.NO_ROUTE_BEYOND: ProbeOutcome.FAILED,
    Symptom.NOT_SENT: ProbeOutcome.UNKNOWN,
    Symptom.STALLED: ProbeOutcome.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one probe of `target` ended. `error_from` is the sender of the ICMPv6 error, where there was one."""

    target: Target
    symptom: Symptom
    latency_s: float | None = None
    error_from: IPv6Address | None = None
    detail: str = ""

    @property
    def outcome(self) -> ProbeOutcome:
        return OUTCOME_OF[self.symptom]


class Verdict(StrEnum):
    HEALTHY = "healthy"
    FAILED = "failed"
    UNPROVEN = "unproven"
