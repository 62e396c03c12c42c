"""Real tools in tests: found, or the test skips and says which Debian package brings them."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
Run = Callable[..., subprocess.CompletedProcess[str]]
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin"


@pytest.fixture(scope="session")
def tool() -> Callable[[str, str], str]:
    """`tool("promtool", "prometheus")`: its path, or skip."""

    def find(name: str, package: str) -> str:
        path = shutil.which(name) or shutil.which(name, path=SYSTEM_FOLDERS)
        if path is None:
            pytest.skip(f"needs {name} (Debian package {package})")
        return path

    return find


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs argv to its end; output is text; never raises for an exit code."""

    def execute(*argv: str | Path, timeout_s: float = 60, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [str(a) for a in argv], capture_output=True, text=True, timeout=timeout_s, check=False, **options
        )

    return execute
