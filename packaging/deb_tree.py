"""A Debian package as a folder: taken apart, told about, and put together again.

`Deb.tree` holds its files and `DEBIAN`, as `dpkg-deb --raw-extract` leaves them.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from build_debs import compression
from chroots import ROOT, run_checked

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
