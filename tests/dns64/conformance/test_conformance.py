"""Every row of the tables, over the transports it names. The ids carry the row's number and its RFC section."""

from __future__ import annotations

from collections import Counter

import pytest

from . import (
    cases_cache,
    cases_chain,
    cases_core,
    cases_discovery,
    cases_dnssec,
    cases_edns,
    cases_exclusion,
    cases_header,
    cases_policy,
    cases_prefix,
    cases_rcode,
    cases_reverse,
    cases_transport,
    cases_ttl,
    cases_types,
    cases_upstream,
)
from .case import Case
from .run import SlowLane, Stage, run_row

TABLES = (
    cases_core, cases_rcode, cases_ttl, cases_chain, cases_exclusion, cases_prefix, cases_discovery, cases_reverse,
    cases_dnssec, cases_edns, cases_transport, cases_header, cases_types, cases_cache, cases_upstream, cases_policy,
)  # fmt: skip
CASES: list[Case] = [case for table in TABLES for case in table.CASES]


def _rows(*, slow: bool) -> list[pytest.param]:  # type: ignore[valid-type]
    return [
        pytest.param(case, transport, id=f"{case.id}-{transport}")
        for case in CASES
        for transport in case.over
        if case.slow == slow
    ]


@pytest.mark.parametrize(("case", "transport"), _rows(slow=False))
def test_row_gets_the_right_reply(case: Case, transport: str, stage: Stage) -> None:
    problems = run_row(case, transport, stage)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(("case", "transport"), _rows(slow=True))
def test_row_that_waits_gets_the_right_reply(case: Case, transport: str, slow_lane: SlowLane) -> None:
    problems = slow_lane.result(case, transport)
    assert not problems, "\n".join(problems)


def test_no_two_rows_share_an_id() -> None:
    assert [name for name, times in Counter(case.id for case in CASES).items() if times > 1] == []
