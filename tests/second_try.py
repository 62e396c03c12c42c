"""Runs pytest, then runs once more, alone, the tests that failed, if they are few.

    python -m tests.second_try ARGUMENTS…    arguments as for pytest

Tests drive real servers and emulated machines in real time, two processes at once on two processors. A test that fails
then and passes alone is named at the end, to be mended. It does not fail the run. More than `FEW` failures, or a
failure before the first test, fail it at once.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

FEW = 5
TESTS_FAILED = 1


def run(arguments: Sequence[str]) -> int:
    """Return pytest's exit code: the second run's where there is one."""
    with tempfile.TemporaryDirectory() as cache:
        pytest = [sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}", *arguments]
        code = subprocess.call(pytest)
        failed = _failed(Path(cache))
        if code != TESTS_FAILED or not 0 < len(failed) <= FEW:
            return code
        print(f"second_try: once more, alone: {' '.join(failed)}", flush=True)
        again = [word for word in pytest if not word.startswith("--cov")]
        code = subprocess.call([*again, "--last-failed", "--last-failed-no-failures=none"])
        if code == 0:
            print(f"second_try: these failed beside others and passed alone: {' '.join(failed)}", flush=True)
        return code


def _failed(cache: Path) -> list[str]:
    """Return the node ids that pytest noted as failed."""
    noted = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(noted.read_text())) if noted.is_file() else []


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
