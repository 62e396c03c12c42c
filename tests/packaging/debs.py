"""Packages for the tests: those of this tree, and later or earlier issues of them."""

import atexit
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NAMES = ("kun-6to4", "kun-controller", "kun-dns64", "kun-nat64")


def build(release: str, out: Path) -> dict[str, Path]:
    """What `make packages` makes for one release of Debian: name to file."""
    argv = [sys.executable, str(ROOT / "packaging/build_debs.py"), "--debian", release, "--out", str(out)]
    # A third of the time that the release's flags take: nobody measures here.
    lightly = os.environ | {"CFLAGS": "-O0 -g0", "KUN_COMPRESSION": "-Zgzip -z1"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=2400, check=False, env=lightly)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name.partition("_")[0]: path for path in sorted(out.glob("*.deb"))}


@cache
def built(release: str) -> dict[str, Path]:
    """The same, built once for all tests of a run."""
    folder = tempfile.mkdtemp(prefix=f"kun-debs-{release}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(release, Path(folder))


def content(deb: Path) -> list[tuple[str, str, str]]:
    """Mode, owner and path of everything in a package."""
    argv = ["dpkg-deb", "--contents", str(deb)]
    listing = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    rows = (line.split(None, 5) for line in listing.splitlines())
    return [(row[0], row[1], row[5].removeprefix(".").partition(" -> ")[0]) for row in rows]


def field(deb: Path, name: str) -> str:
    argv = ["dpkg-deb", "--field", str(deb), name]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def reissue(deb: Path, version: str, out: Path, change: Callable[[Path], None] | None = None) -> Path:
    """The same package under another version; `change` edits its tree. What it says of its parts follows."""
    tree = out / f"{deb.stem}-{version}.tree"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(tree)], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    if change:
        before = _digests(tree, field(deb, "Package"))
        change(tree)
        _count_parts(tree, field(deb, "Package"), before)
    target = out / f"{field(deb, 'Package')}_{version}.deb"
    argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(target)]
    subprocess.run(argv, check=True, capture_output=True)
    shutil.rmtree(tree)
    return target


def _digests(tree: Path, package: str) -> dict[str, str]:
    """Of each part that packaging/debian_scripts.sh counts; any digest that follows the content will do."""
    found = {}
    for name in (line.split()[1] for line in (tree / f"usr/lib/{package}/parts").read_text().splitlines()):
        pattern = "usr/lib/**/*.py" if name == "programs" else f"**/{name}"
        files = sorted(path for path in tree.glob(pattern) if path.is_file())
        found[name] = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    return found


def _count_parts(tree: Path, package: str, before: dict[str, str]) -> None:
    parts, now = tree / f"usr/lib/{package}/parts", _digests(tree, package)
    lines = [line.split() for line in parts.read_text().splitlines()]
    parts.write_text("".join(f"{old if now[name] == before[name] else now[name]} {name}\n" for old, name in lines))


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    """A change of one file of a package."""

    def change(tree: Path) -> None:
        (place,) = [found for found in (tree / path, tree / path.removeprefix("usr/")) if found.exists()][:1]
        text = place.read_text()
        assert old in text, f"{path} does not contain {old}"
        place.write_text(text.replace(old, new))

    return change
