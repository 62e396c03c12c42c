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
    cases_special,
    cases_transport,
    cases_ttl,
    cases_types,
    cases_upstream,
)
from .case import Case
from .names import Names
from .run import SlowLane, Stage, run_row
from .script import Says, parse_record

TABLES = (
    cases_core, cases_rcode, cases_ttl, cases_chain, cases_exclusion, cases_prefix, cases_discovery, cases_reverse,
    cases_dnssec, cases_edns, cases_transport, cases_header, cases_types, cases_cache, cases_upstream, cases_policy,
    cases_special,
)  # fmt: skip
SHARED_TTL_S = 3600
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


def test_what_rows_share_outlives_the_session() -> None:
    """Where the question has no name of the row's own, the server may answer with what an earlier row made it remember.

    Such records must be the same for every asker, and too young to be fetched anew (which begins in their last tenth).
    """
    one, two = Names.fresh(), Names.fresh()
    for case in CASES:
        if case.query.raw is None and one.fill(case.query.name) == two.fill(case.query.name):
            said = [action for script in (case.upstream, case.two) for action in script.values()]
            assert all(isinstance(action, Says) for action in said), case.id
            for line in (line for action in said for line in (*action.answer, *action.authority, *action.additional)):
                assert one.fill(line) == two.fill(line), case.id
                assert parse_record(line, one).ttl >= SHARED_TTL_S, case.id
