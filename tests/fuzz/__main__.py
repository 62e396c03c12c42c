"""`make fuzz`: the positive control first, then the real parts for SECONDS (600 unless told)."""

import os
import subprocess
import sys
from pathlib import Path

from tests.fuzz.build import build, sanitizer

CONTROL_S = 60


def drive(tree: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs tests/fuzz/drive.py on the parts in `tree`."""
    environment = {
        **os.environ,
        "LD_PRELOAD": sanitizer(),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        # Each object has its own block, with fences around it.
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(tree),
    }
    command = [sys.executable, "-m", "tests.fuzz.drive", "--seconds", str(seconds)]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    control = drive(build(planted=True), CONTROL_S)
    if control.returncode == 0 or "heap-buffer-overflow" not in control.stderr:
        print(f"the overflow that was planted was not found\n{control.stdout}{control.stderr}")
        return 1
    print("control: the overflow that was planted was found", flush=True)
    found = drive(build(planted=False), seconds)
    print(found.stdout + found.stderr)
    return found.returncode


if __name__ == "__main__":
    sys.exit(main())
