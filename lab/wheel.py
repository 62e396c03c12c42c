"""The project's wheel and its pinned dependencies, as files."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from lab.errors import LabError
from lab.paths import REPOSITORY

GUEST_PYTHON = "311"
# Debian 12 has glibc 2.36; pip wants every name that it may accept.
_PLATFORMS = tuple(f"manylinux_2_{minor}_x86_64" for minor in (36, 34, 28, 17)) + ("manylinux2014_x86_64",)
# Half the time of the default flags: nobody measures in the lab.
LIGHTLY = {"CFLAGS": "-O1 -g0"}
_PACKAGES = ("kun_base", "kun_dns64", "kun_nat64")


def download_dependencies(directory: Path) -> None:
    """Wheels of requirements.lock for the guest's Python, each checked against its hash."""
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    argv += ["--require-hashes", "--no-deps", "--only-binary=:all:", "--implementation=cp"]
    argv += [f"--python-version={GUEST_PYTHON}"]
    argv += [f"--abi={abi}" for abi in (f"cp{GUEST_PYTHON}", "abi3", "none")]
    argv += [f"--platform={platform}" for platform in _PLATFORMS]
    _pip([*argv, "--dest", str(directory), "-r", str(REPOSITORY / "requirements.lock")])


def build_wheel(directory: Path) -> Path:
    """Builds the wheel of this source tree into `directory`."""
    with tempfile.TemporaryDirectory() as scratch:
        # From a copy: a build leaves its traces in the tree it runs in.
        for name in _PACKAGES:
            shutil.copytree(REPOSITORY / name, Path(scratch, name), ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, scratch)
        argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        _pip([*argv, "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), scratch], **LIGHTLY)
    return next(directory.glob("kun_gateway-*.whl"))


def unpack(wheel: Path, directory: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)


def _pip(argv: list[str], **environment: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | environment)
    if done.returncode != 0:
        raise LabError(f"pip failed: {' '.join(argv[2:])}\n{done.stderr[-3000:]}")
