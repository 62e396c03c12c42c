"""`check-config` of both programs: every error of every file."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kun_base.errors import ConfigError, Fault
from kun_base.textfile import is_pipe
from kun_base.tomltext import STANDARD_INPUT

EXIT_CONFIG = 2


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What a good file means, in a line, and what its operator should know."""

    summary: str
    notes: tuple[str, ...] = ()


# Raises ConfigError.
Check = Callable[[Path], FileSummary]


def check_files(files: Sequence[Path], check: Check, *, as_json: bool) -> int:
    """Print what each file means, or its errors. Returns 0, or 2 when one of them has errors."""
    reports = [_report(file, check) for file in files]
    if as_json:
        print(json.dumps({"files": [report for report, _ in reports]}, indent=2, ensure_ascii=False))
    for report, error in reports if not as_json else ():
        if error is None:
            for note in report["notes"]:
                print(f"{report['file']}: note: {note}", file=sys.stderr)
            print(f"{report['file']}: good; {report['summary']}")
        else:
            print(error, file=sys.stderr)
    return 0 if all(error is None for _, error in reports) else EXIT_CONFIG


def _report(file: Path, check: Check) -> tuple[dict[str, Any], ConfigError | None]:
    try:
        if file != STANDARD_INPUT and is_pipe(file):
            raise ConfigError(str(file), [Fault("file", "", "is a pipe; use - for standard input")])
        found = check(file)
    except ConfigError as error:
        faults = [
            {"line": one.line or None, "key": one.shown or one.where, "value": one.value or None, "error": one.wanted}
            for one in error.faults
        ]
        return {"file": error.source, "good": False, "errors": faults}, error
    name = "standard input" if file == STANDARD_INPUT else str(file)
    return {"file": name, "good": True, "summary": found.summary, "notes": found.notes}, None
