"""The two halves of an AAAA question, as far as they were heard: what upstream said about AAAA, and about A."""

from kun_dns64.model.message import Record
from kun_dns64.model.question import RRType
from kun_dns64.model.step import FailureKind, Heard, UpstreamFailure
from kun_dns64.policy.denial import Finding, read
from kun_dns64.policy.query_context import QueryContext

A, AAAA = RRType.A, RRType.AAAA
# Without stagger: the share of the budget after which the second question is put although the first is open.
PATIENCE_SHARE = 0.4


def second_after_s(stagger_s: float, budget_s: float) -> float:
    """Return how long after a query its A is asked although the AAAA is still out (RFC 6147 section 5.1.8)."""
    return stagger_s or budget_s * PATIENCE_SHARE


class Half:
    """One outcome, and what it says."""

    __slots__ = ("finding", "heard")

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.finding: Finding = read(heard.question, heard.outcome)

    @property
    def not_cached(self) -> bool:
        outcome = self.heard.outcome
        return isinstance(outcome, UpstreamFailure) and outcome.kind is FailureKind.NOT_CACHED


class Halves:
    """`kept`: real AAAA that count; `excluded`: real AAAA that count as absent (RFC 6147 section 5.1.4)."""

    __slots__ = ("a", "aaaa", "excluded", "kept")

    def __init__(self, case: QueryContext, heard: tuple[Heard, ...]) -> None:
        self.aaaa: Half | None = None
        self.a: Half | None = None
        self.kept: tuple[Record, ...] = ()
        self.excluded: tuple[Record, ...] = ()
        for one in heard:
            if one.question.qtype == AAAA:
                self.aaaa = Half(one)
                if self.aaaa.finding.data:
                    self._exclude(case, self.aaaa.finding.data)
            elif one.question.qtype == A:
                self.a = Half(one)

    def _exclude(self, case: QueryContext, data: tuple[Record, ...]) -> None:
        self.kept = case.prepared.exclusion.kept(data)
        if len(self.kept) != len(data):
            self.excluded = tuple(record for record in data if record not in self.kept)
