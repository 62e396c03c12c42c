"""The compiled modules of the source tree for the guest's Python, made on this machine and kept until a source changes.

What pip makes of this tree fits this machine's Python alone; the guest's is often another version.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from lab.errors import LabError
from lab.image import Image
from lab.paths import REPOSITORY
from lab.sysroot import TRIPLET, compile_c
from lab.wheel import PACKAGES, copy_sources

_KEPT = 3
_CYTHON_SOURCES = (".pyx", ".pxd", ".pxi")


def extension_sources(repository: Path = REPOSITORY) -> dict[str, Path]:
    """Return module name to Cython source (below the repository), as pyproject.toml lists them."""
    document = tomllib.loads((repository / "pyproject.toml").read_text())
    return {each["name"]: Path(*each["sources"]) for each in document["tool"]["setuptools"]["ext-modules"]}


def ensure_extensions(image: Image, repository: Path = REPOSITORY) -> Path:
    """Return a folder laid out as the source tree, with every compiled module for the guest's Python in its place."""
    folder = image.directory.parent
    kept = folder / f"compiled-{_key(image, repository)}"
    if not kept.is_dir():
        with tempfile.TemporaryDirectory() as scratch:
            _compile(image, Path(scratch), repository)
            _keep(Path(scratch, "compiled"), kept)
    os.utime(kept)
    older = sorted(folder.glob("compiled-*"), key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT:]
    for old in older:
        shutil.rmtree(old, ignore_errors=True)
    return kept


def _key(image: Image, repository: Path) -> str:
    digest = hashlib.sha256(image.directory.name.encode() + (repository / "pyproject.toml").read_bytes())
    for package in PACKAGES:
        for path in sorted((repository / package).rglob("*")):
            if path.suffix in _CYTHON_SOURCES or path.with_suffix(".pxd").is_file():
                digest.update(str(path.relative_to(repository)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _compile(image: Image, scratch: Path, repository: Path) -> None:
    copy_sources(repository, scratch)
    sources = extension_sources(repository)
    argv = [sys.executable, "-m", "cython", *(str(source) for source in sources.values())]
    done = subprocess.run(argv, cwd=scratch, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"cython failed:\n{(done.stdout + done.stderr)[-3000:]}")
    for source in sources.values():
        target = scratch / "compiled" / source.with_suffix(f".cpython-{image.debian.python}-{TRIPLET}.so")
        target.parent.mkdir(parents=True, exist_ok=True)
        compile_c(image.sysroot, image.debian, scratch / source.with_suffix(".c"), target)


def _keep(made: Path, kept: Path) -> None:
    """Move the finished folder into the cache; somebody else may have been quicker."""
    fresh = Path(tempfile.mkdtemp(prefix="fresh-", dir=kept.parent))
    shutil.copytree(made, fresh, dirs_exist_ok=True)
    try:
        fresh.rename(kept)
    except OSError:
        shutil.rmtree(fresh)
