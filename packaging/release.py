"""Make a release: make release VERSION=0.2.0, or python3 packaging/release.py 0.2.0 [--out DIR] [--allow-dirty]

Into dist/VERSION: wheels, sdist, Debian packages, the image, the list of parts (CycloneDX), notes cut from CHANGELOG.md
and SHA256SUMS; with KUN_SIGNING_KEY also SHA256SUMS.asc. The same commit gives the same sums. Needs root.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import build_debs  # noqa: E402
import build_image  # noqa: E402
import build_python  # noqa: E402
import sbom  # noqa: E402
from chroots import ROOT, SUITES, ChrootError, run_checked  # noqa: E402

VERSION_FORM = re.compile(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?")


class ReleaseError(Exception):
    """The release cannot be made; the text says what to do."""


def notes(changelog: str, version: str) -> str:
    """Cut the section of a version. Raises ReleaseError when there is none, or nothing in it."""
    plain = re.sub(r"(a|b|rc|\.dev)\d+$", "", version)
    match = re.search(rf"(?ms)^## \[?{re.escape(plain)}\]?(?![\w.])[^\n]*\n(.*?)(?=^## |\Z)", changelog)
    if match is None or not match[1].strip():
        raise ReleaseError(f"CHANGELOG.md has no section for {plain}: add `## {plain}` and its lines")
    return f"# KUN egress gateway {version}\n\n{match[1].strip()}\n"


def check(version: str, *, allow_dirty: bool) -> None:
    if not VERSION_FORM.fullmatch(version):
        raise ReleaseError(f"VERSION={version!r}: expected three numbers, for example make release VERSION=0.2.0")
    changed = subprocess.run(
        ["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"],
        capture_output=True,
        text=True,
        check=False,
    )
    if changed.stdout.strip() and not allow_dirty:
        raise ReleaseError("tracked files are changed: commit them, so that the release can name its commit")
    if os.geteuid() != 0:
        raise ReleaseError(
            f"packages are built in fresh systems, which needs root: sudo make release VERSION={version}"
        )


def sums(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("SHA256SUMS"))
    return "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)


def sign(sums_file: Path) -> None:
    key = os.environ.get("KUN_SIGNING_KEY")
    if key:
        run_checked(["gpg", "--batch", "--yes", "--local-user", key, "--armor", "--detach-sign", str(sums_file)])


def make(version: str, out: Path) -> None:
    """Fill `out`, which is empty. Raises ReleaseError and ChrootError."""
    text = notes((ROOT / "CHANGELOG.md").read_text(), version)
    # One wheel for any Python here; those with compiled parts come out of the packages' builds.
    build_python.build(version, out, pure=True)
    packages = [one for suite in SUITES.values() for one in build_debs.build(suite, version, out)]
    (deb,) = [path for path in packages if path.name.startswith("kun-dns64_") and "~deb13" in path.name]
    with build_image.storage() as options:
        build_image.build(options, deb, f"{build_image.NAME}:{version}")
        build_image.export(options, f"{build_image.NAME}:{version}", out / f"kun-dns64-image-{version}.tar")
    sbom.write(out / f"kun-gateway-{version}.cdx.json", ROOT, version, build_debs.commit(), build_debs.source_date())
    (out / "NOTES.md").write_text(text)
    (out / "SHA256SUMS").write_text(sums(out))
    sign(out / "SHA256SUMS")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", nargs="?", default="")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--allow-dirty", action="store_true", help="for a trial: the commit is named with -dirty")
    asked = parser.parse_args(arguments)
    os.umask(0o022)
    out = asked.out or ROOT / "dist" / asked.version
    try:
        check(asked.version, allow_dirty=asked.allow_dirty)
        notes((ROOT / "CHANGELOG.md").read_text(), asked.version)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        make(asked.version, out)
    except (ReleaseError, ChrootError) as error:
        print(f"release: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ReleaseError) else 1
    print((out / "SHA256SUMS").read_text(), end="")
    print(f"release: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
