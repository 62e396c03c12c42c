"""Why a query gets no synthesis, before anything is asked."""

from kun_dns64.model.rules import ZoneMode
from kun_dns64.model.step import Rule
from kun_dns64.policy.query_context import QueryContext


def obstacle(case: QueryContext) -> Rule | None:
    """None: synthesis is wanted. CD=1 asks for the truth as it is (RFC 6147 section 5.5, case 3; without DO too)."""
    if case.query.cd:
        return Rule.NOT_FOR_CD
    if case.client is not None and not case.client.dns64:
        return Rule.NOT_FOR_CLIENT
    if case.mode is ZoneMode.NEVER:
        return Rule.NOT_FOR_ZONE
    if case.exit.stop:
        return Rule.GATEWAY_DOWN
    return None
