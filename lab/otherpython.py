"""Runs the unit tests under the Python of another Debian, in its tree, with its compiler. Needs root; changes nothing.

The tree is mounted read-only in a namespace of its own, with the source, a virtual environment and everything that the
tests write in a file system in memory. There is no network but loopback: dependencies come from wheels fetched before,
each checked against its hash.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.contained import contained
from lab.debian import Debian
from lab.errors import LabError
from lab.image import image_folder, locked, scratch_folder
from lab.paths import REPOSITORY
from lab.progress import Reporter
from lab.recipe import read_recipe
from lab.tree import WEIGHTS, ensure_tree
from lab.wheel import download_dependencies

STEP_WHEELS = "Python dependencies of the tests"
_LOCK = REPOSITORY / "requirements-dev.lock"
_LEFT_OUT = (".git", ".venv", "out", "dist", "build", "*.egg-info", "__pycache__", "*.so", ".*_cache", ".hypothesis")

_MOUNT = """
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount --rbind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
mount -t sysfs sysfs "$ROOT/sys"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/run"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mkdir "$ROOT/tmp/source" "$ROOT/tmp/wheels"
cp -r "$SOURCE/." "$ROOT/tmp/source"
mount --bind "$WHEELS" "$ROOT/tmp/wheels"
ip link set lo up
exec chroot "$ROOT" /bin/sh -ec "$RUN" sh "$@"
"""
# Half the time of the usual flags: nobody measures here. The shell stays: it is process 1, and pytest must not be.
_RUN = """
cd /tmp/source
export HOME=/tmp LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin CFLAGS='-O1 -g0'
CC=$(ls /usr/bin/x86_64-linux-gnu-gcc-[0-9]* | head -n 1)
export CC
# Coverage costs little where Python can watch lines by itself (3.12 on, PEP 669).
COVERAGE_CORE=$(python3 -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")')
export COVERAGE_CORE
pip='/tmp/venv/bin/python -m pip --quiet --disable-pip-version-check'
python3 -m venv /tmp/venv
$pip install --no-index --find-links /tmp/wheels --require-hashes -r requirements-dev.lock
$pip install --no-index --no-deps --no-build-isolation -e .
/tmp/venv/bin/python -m tests.second_try "$@" || exit $?
[ -e .coverage ] || exit 0
for package in kun_base kun_dns64 kun_nat64; do
    total=$(/tmp/venv/bin/python -m coverage report --include="$package/*" --format=total) || continue
    echo "lines covered in $package: $total %"
done
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tests run: a Debian tree, and the wheels of their dependencies."""

    tree: Path
    wheels: Path


def prepare(debian: Debian, cache: Path, reporter: Reporter) -> Place:
    """Make the tree of that Debian and fetch the wheels for its Python, if they are not there. Raises LabError."""
    if os.geteuid() != 0:
        raise LabError("the tests in another Debian's tree need root: run this with sudo")
    folder, recipe = image_folder(debian, cache), read_recipe(debian)
    folder.mkdir(parents=True, exist_ok=True)
    reporter.expect({**WEIGHTS, STEP_WHEELS: 20.0})
    with locked(folder):
        with scratch_folder(folder) as scratch:
            tree = ensure_tree(folder, scratch, recipe, reporter)
        reporter.step(STEP_WHEELS)
        return Place(tree, _ensure_wheels(folder, debian))


def run_tests(place: Place, arguments: Sequence[str]) -> int:
    """Run pytest with these arguments, a few failed tests once more; return its exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "source")
        shutil.copytree(REPOSITORY, source, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        environment = {"ROOT": str(place.tree), "SOURCE": str(source), "WHEELS": str(place.wheels), "RUN": _RUN}
        argv = contained(["unshare", "--net", "--", "sh", "-ec", _MOUNT, "sh", *arguments])
        return subprocess.call(argv, env={"PATH": os.environ["PATH"], **environment})


def _ensure_wheels(folder: Path, debian: Debian) -> Path:
    """Return a folder with the wheels of the development lock file; fetch them if the lock file is another."""
    kept = folder / f"wheels-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]}"
    if not kept.is_dir():
        for old in folder.glob("wheels-*"):
            shutil.rmtree(old, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="fresh-", dir=folder))
        download_dependencies(fresh, debian, _LOCK)
        fresh.rename(kept)
    return kept
