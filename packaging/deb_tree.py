"""A Debian package as a folder: taken apart, told about, and put together again.

`Deb.tree` holds its files and `DEBIAN`, as `dpkg-deb --raw-extract` leaves them.
"""

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from build_debs import compression
from chroots import ROOT, ChrootError, run_checked

NAME = re.compile(r"(?P<package>[a-z0-9-]+)_(?P<version>[^_]+)~deb(?P<release>\d+)_(?P<architecture>[a-z0-9]+)\.deb")


@dataclass(frozen=True, slots=True)
class Deb:
    """A package that was taken apart into `tree`; `version` is without the release of Debian."""

    package: str
    version: str
    release: str
    architecture: str
    tree: Path

    def field(self, name: str) -> str:
        """Give a field of the control file, "" where there is none."""
        text = (self.tree / "DEBIAN/control").read_text()
        match = re.search(rf"(?m)^{name}: (.*(?:\n .*)*)", text)
        return match[1] if match else ""

    def files(self) -> Iterator[Path]:
        """Give everything but the control files, relative to the tree, in order."""
        for path in sorted(self.tree.rglob("*")):
            relative = path.relative_to(self.tree)
            if relative.parts[0] != "DEBIAN":
                yield relative

    def settings(self) -> dict[str, str]:
        """Read packaging/debian/settings: what the maintainer scripts know of the package."""
        lines = shlex.split((ROOT / "packaging/debian/settings" / self.package).read_text())
        return dict(line.split("=", 1) for line in lines)


def take_apart(deb: Path, tree: Path) -> Deb:
    """Unpack into `tree`. Raises ValueError for another name than build_debs.py gives, ChrootError."""
    match = NAME.fullmatch(deb.name)
    if match is None:
        raise ValueError(f"{deb.name}: not a package of ours")
    run_checked(["dpkg-deb", "--raw-extract", str(deb), str(tree)])
    return Deb(match["package"], match["version"], match["release"], match["architecture"], tree)


def put_together(deb: Deb, target: Path, date: int) -> Path:
    """Write the package; the same tree and date give the same bytes. Raises ChrootError."""
    argv = ["dpkg-deb", "--root-owner-group", *compression().split(), "--build", str(deb.tree), str(target)]
    run_checked(["env", f"SOURCE_DATE_EPOCH={date}", *argv])
    return target


def parser_of(about: str | None, debs: str) -> argparse.ArgumentParser:
    """Make the parser of a program that takes packages and a folder for what it builds from them."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("debs", nargs="+", type=Path, metavar="DEB", help=debs)
    parser.add_argument("--out", type=Path, default=ROOT / "out/packages")
    return parser


def report(packages: Iterable[Path]) -> int:
    """Build the packages, print each with its size, and give the exit code: 1 after an error."""
    try:
        for package in packages:
            print(f"packages: {package} ({package.stat().st_size // 1024} KiB)", flush=True)
    except (ChrootError, ValueError, subprocess.SubprocessError) as error:
        print(f"packages: error: {error}", file=sys.stderr)
        return 1
    return 0
