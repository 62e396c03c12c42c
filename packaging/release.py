"""Make a release: make release VERSION=0.2.0, or python3 packaging/release.py 0.2.0 [--out DIR] [--allow-dirty]

Into dist/VERSION: wheels, sdist, packages (.deb, and .rpm that nobody supports), the images, the list of parts
(CycloneDX), notes cut from CHANGELOG.md and SHA256SUMS; with KUN_SIGNING_KEY also SHA256SUMS.asc. The same commit gives
the same sums. Needs root.
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

import build_arm64  # noqa: E402
import build_controller_image  # noqa: E402
import build_debs  # noqa: E402
import build_image  # noqa: E402
import build_python  # noqa: E402
import build_rpms  # noqa: E402
import sbom  # noqa: E402
from chroots import ROOT, SUITES, ChrootError, Suite, run_checked  # noqa: E402

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


def write_packages(suite: Suite, version: str, out: Path) -> list[Path]:
    """Build those of one release of Debian, for amd64 and arm64, then all of them as RPM. Raises ChrootError."""
    built = build_debs.build(suite, version, out)
    built += build_arm64.build([path for path in built if path.name.endswith("_amd64.deb")], version, out)
    return [*built, *(build_rpms.build(path, out) for path in built if path.suffix == ".deb")]


def write_images(version: str, deb: Path, out: Path) -> None:
    """Build both images upon one base. Raises ChrootError."""
    dns64, controller = (f"{one.NAME}:{version}" for one in (build_image, build_controller_image))
    with build_image.storage() as options:
        build_image.build(options, deb, dns64)
        build_image.export(options, dns64, out / f"kun-dns64-image-{version}.tar")
        build_controller_image.build(options, controller, version)
        build_image.export(options, controller, out / f"kun-controller-image-{version}.tar")


def make(version: str, out: Path) -> None:
    """Fill `out`, which is empty. Raises ReleaseError and ChrootError."""
    text = notes((ROOT / "CHANGELOG.md").read_text(), version)
    # One wheel for any Python here; those with compiled parts come out of the packages' builds.
    build_python.build(version, out, pure=True)
    packages = [one for suite in SUITES.values() for one in write_packages(suite, version, out)]
    (deb,) = [path for path in packages if re.fullmatch(r"kun-dns64_.*~deb13_amd64\.deb", path.name)]
    write_images(version, deb, out)
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
    except (ReleaseError, ChrootError, ValueError) as error:
        print(f"release: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ReleaseError) else 1
    print((out / "SHA256SUMS").read_text(), end="")
    print(f"release: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
