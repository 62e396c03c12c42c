"""The project's wheel and its pinned dependencies, as files."""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from lab.debian import Debian
from lab.errors import LabError
from lab.paths import REPOSITORY

PACKAGES = tuple(sorted(path.parent.name for path in REPOSITORY.glob("kun_*/__init__.py")))
_OLDEST_GLIBC = 17


def platforms(debian: Debian) -> list[str]:
    """Return the platform tags of wheels that run there: pip wants every name that it may accept."""
    return [f"manylinux_2_{minor}_x86_64" for minor in range(debian.glibc, _OLDEST_GLIBC - 1, -1)] + [
        "manylinux2014_x86_64"
    ]


def download_dependencies(directory: Path, debian: Debian, lock: Path = REPOSITORY / "requirements.lock") -> None:
    """Fetch the wheels of a lock file for that Debian's Python, each checked against its hash."""
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    argv += ["--require-hashes", "--no-deps", "--only-binary=:all:", "--implementation=cp"]
    argv += [f"--python-version={debian.python}"]
    argv += [f"--abi={abi}" for abi in (f"cp{debian.python}", "abi3", "none")]
    argv += [f"--platform={platform}" for platform in platforms(debian)]
    _pip([*argv, "--dest", str(directory), "-r", str(lock)])


def build_wheel(directory: Path) -> Path:
    """Build a wheel of this source tree into `directory`: Python alone, for any version (see extensions.py)."""
    with tempfile.TemporaryDirectory() as scratch:
        # From a copy: a build leaves its traces in the tree it runs in.
        copy_sources(REPOSITORY, Path(scratch))
        for name in ("README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, scratch)
        text = (REPOSITORY / "pyproject.toml").read_text()
        Path(scratch, "pyproject.toml").write_text(without_extensions(text))
        argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        _pip([*argv, "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), scratch])
    return next(directory.glob("kun_gateway-*.whl"))


def copy_sources(repository: Path, directory: Path) -> None:
    """Copy the packages of the source tree, without what earlier runs left in them."""
    for name in PACKAGES:
        shutil.copytree(
            repository / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.c")
        )


def without_extensions(pyproject: str) -> str:
    """Return the text of pyproject.toml without the tables of compiled modules."""
    return re.sub(
        r"^\[\[tool\.setuptools\.ext-modules\]\]\n(?:(?!\[).*\n)*?(?=\[|\Z)", "", pyproject, flags=re.MULTILINE
    )


def unpack(wheel: Path, directory: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)


def _pip(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"pip failed: {' '.join(argv[2:])}\n{done.stderr[-3000:]}")
