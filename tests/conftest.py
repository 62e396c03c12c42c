"""Real tools in tests: found, or the test skips and says which Debian package brings them."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Hypothesis measures properties here, not the machine: no deadline per example.
settings.register_profile("kun", deadline=None)
settings.load_profile("kun")

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

    def execute(*argv: str | Path, timeout_s: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(a) for a in argv], capture_output=True, text=True, timeout=timeout_s, check=False, **options
        )

    return execute


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built once and without network. From a copy: a build leaves its traces where it runs."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    for package in ("kun_base", "kun_cluster", "kun_dns64", "kun_nat64"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    argv += ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(source)]
    subprocess.run(argv, check=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built
