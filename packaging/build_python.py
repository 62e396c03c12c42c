"""Build sdist and wheel: python3 packaging/build_python.py [--version 0.2.0] [--out dist] [--pure]

From a copy of the tree with the version set; the same commit gives the same bytes. The wheel is compiled for the Python
that runs this, with --pure for any.
"""

import argparse
import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from build_debs import commit, copy_source, source_date  # noqa: E402
from chroots import ROOT, ChrootError, run_checked  # noqa: E402

from kun_base.version import VERSION  # noqa: E402

EXTENSIONS = re.compile(r"(?ms)^(#[^\n]*\n)?\[\[tool\.setuptools\.ext-modules\]\]\n.*?(?=^\[tool\.)")
PREPARE = "import setuptools.build_meta as backend, sys; getattr(backend, sys.argv[1])(sys.argv[2])"


def build(version: str, out: Path, *, pure: bool) -> list[Path]:
    """Build both into `out`. Raises ChrootError when the build fails."""
    out.mkdir(parents=True, exist_ok=True)
    date = source_date()
    os.environ.update(SOURCE_DATE_EPOCH=str(date), KUN_COMMIT=commit())
    with tempfile.TemporaryDirectory() as scratch:
        tree, made = Path(scratch, "tree"), Path(scratch, "made")
        made.mkdir()
        copy_source(tree, version)
        if pure:
            settings = tree / "pyproject.toml"
            settings.write_text(EXTENSIONS.sub("", settings.read_text()))
        for what in ("build_sdist", "build_wheel"):
            argv = [sys.executable, "-c", PREPARE, what, str(made)]
            run_checked(["env", f"--chdir={tree}", *argv], timeout_s=1800)
        (sdist,), (wheel,) = made.glob("*.tar.gz"), made.glob("*.whl")
        settle(sdist, out / sdist.name, date)
        (out / wheel.name).write_bytes(wheel.read_bytes())
        return [out / wheel.name, out / sdist.name]


def settle(sdist: Path, target: Path, date: int) -> None:
    """Write the archive again: names in order, one date, nobody's user, no time of its own."""
    packed = io.BytesIO()
    with tarfile.open(sdist) as source, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as written:
        for entry in sorted(source.getmembers(), key=lambda one: one.name):
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = date, 0, 0, "", ""
            entry.pax_headers = {}
            written.addfile(entry, source.extractfile(entry) if entry.isfile() else None)
    with target.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as zipped:
        zipped.write(packed.getvalue())


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default=VERSION)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--pure", action="store_true", help="without compiled parts")
    asked = parser.parse_args(arguments)
    os.umask(0o022)
    try:
        for path in build(asked.version, asked.out.resolve(), pure=asked.pure):
            print(path)
    except (ChrootError, subprocess.SubprocessError) as error:
        print(f"build: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
