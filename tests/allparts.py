"""A pytest plugin for machines on which nothing may be missing: there a skip is a failure.

`make test` loads it (`-p tests.allparts`), because it has just installed every part. What no package brings (a right, a
limit, a kernel's option, an idle processor) stays a skip: such a reason begins with "this machine".
"""

from collections.abc import Generator
from typing import Any

import pytest

NOBODYS_FAULT = "this machine"


def _judged(report: Any) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith(NOBODYS_FAULT):
        report.outcome, report.longrepr = "failed", f"skipped where every part is installed: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _judged(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _judged(report)
    return report
