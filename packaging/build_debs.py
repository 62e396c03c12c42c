"""Build the Debian packages.

    python3 packaging/build_debs.py [--debian 12,13] [--version 0.2.0] [--out out/packages]

Each release of Debian builds its own in a fresh system without a network: our wheel is compiled there, the pinned
dependencies come as wheels checked against requirements.lock, and debhelper makes the packages
(packaging/debian/rules). The same commit gives the same bytes: the date is the commit's.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from chroots import ROOT, SUITES, ChrootError, Suite, cache_folder, checked, run_checked, run_inside, unpacked  # noqa: E402

from kun_base.version import VERSION, read_build  # noqa: E402

BUILD_PACKAGES = ("debhelper", "gcc", "libc6-dev", "python3-dev", "python3-venv")
TOOLS = ("cython", "setuptools")
SOURCES = (
    *("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "SECURITY.md", "CHANGELOG.md"),
    *("requirements.lock", "requirements-controller.lock"),
)
FOLDERS = (*sorted(path.name for path in ROOT.glob("kun_*") if path.is_dir()), "gateway-config", "packaging")
UNBUILT = shutil.ignore_patterns("*.so", "*.c", "__pycache__", "build.json", ".vagrant")
# 1 January 1980: the oldest date a zip archive can carry.
OLDEST_DATE = 315532800
# What pip accepts on the older of the supported systems, glibc 2.36.
PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in (36, 34, 28, 17)), "manylinux2014_x86_64")
# Of dpkg-deb. Several threads would give other bytes on a machine with other processors or memory.
COMPRESSION = "-Zxz --threads-max=1"
MAINTAINER = "KUN gateway maintainers <maintainers@kun-gateway.example>"


def debian_version(version: str, suite: Suite) -> str:
    """0.2.0.dev0 becomes 0.2.0~dev0-1~deb12: before 0.2.0, and Debian 13's after Debian 12's."""
    ordered = re.sub(r"[.]?(dev|a|b|rc)", r"~\1", version)
    return f"{ordered}-1~deb{suite.release}"


def source_date() -> int:
    """Seconds since 1970: of the last commit, so that the same commit gives the same packages."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if told:
        return int(told)
    argv = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    return int(said.stdout) if said.returncode == 0 else OLDEST_DATE


def compression() -> str:
    return os.environ.get("KUN_COMPRESSION", COMPRESSION)


def commit() -> str:
    """Of this tree, "-dirty" behind it where tracked files were changed."""
    argv = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 else read_build(ROOT / "kun_base").commit


def blocks_of(lock: str) -> list[str]:
    """A pin with its hashes each."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / lock).read_text())
    return [block for block in blocks if "==" in block.split("\n")[0]]


def tool_pins() -> str:
    """The lines of requirements-dev.lock that pin what builds our wheel."""
    return "\n".join(block for block in blocks_of("requirements-dev.lock") if block.split("==")[0] in TOOLS)


def controller_pins() -> str:
    """The lines of requirements-controller.lock that requirements.lock has not."""
    common = {block.split()[0] for block in blocks_of("requirements.lock")}
    return "\n".join(block for block in blocks_of("requirements-controller.lock") if block.split()[0] not in common)


def download(suite: Suite, folder: Path) -> None:
    """Wheels for the suite's Python, each checked against its hash: for all programs, the controller, the build."""
    kept = cache_folder() / f"wheels-{suite.python_tag}"
    tools, controller = kept / "tools.lock", kept / "controller.lock"
    kept.mkdir(parents=True, exist_ok=True)
    tools.write_text(tool_pins())
    controller.write_text(controller_pins())
    locks = ((ROOT / "requirements.lock", "wheels"), (controller, "wheels-kun-controller"), (tools, "tools"))
    for lock, name in locks:
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        argv += ["--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={suite.python_tag}"]
        argv += [f"--abi={abi}" for abi in (f"cp{suite.python_tag}", "abi3", "none")]
        argv += [f"--platform={platform}" for platform in PLATFORMS]
        run_checked([*argv, "--dest", str(folder / name), "-r", str(lock)])


def set_version(place: Path, version: str) -> None:
    """Write the number into a copy of kun_base/version.py."""
    place.write_text(re.sub(r'(?m)^VERSION = ".*"$', f'VERSION = "{version}"', place.read_text()))


def copy_source(target: Path, version: str) -> None:
    """The tree to build from, with the version set."""
    target.mkdir(parents=True)
    for name in SOURCES:
        shutil.copy(ROOT / name, target / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, target / name, ignore=UNBUILT)
    set_version(target / "kun_base/version.py", version)
    # Modes as git keeps them, whatever the umask of this shell.
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def changelog(version: str, suite: Suite, date: int) -> str:
    entry = f"  * Release {version}. See CHANGELOG.md in /usr/share/doc of the package."
    head = f"kun-gateway ({debian_version(version, suite)}) {suite.name}; urgency=medium"
    return f"{head}\n\n{entry}\n\n -- {MAINTAINER}  {formatdate(date)}\n"


def build(suite: Suite, version: str, out: Path) -> list[Path]:
    """Build the packages of one release of Debian. Raises ChrootError."""
    date = source_date()
    with unpacked(suite, BUILD_PACKAGES) as tree:
        place = tree / "build/kun-gateway"
        copy_source(place, version)
        download(suite, place)
        shutil.move(place / "packaging/debian", place / "debian")
        (place / "debian/changelog").write_text(changelog(version, suite, date))
        environment = {
            "SOURCE_DATE_EPOCH": str(date),
            "KUN_COMMIT": commit(),
            "KUN_PYTHON": suite.python,
            "KUN_UNITS": suite.unit_folder,
            "KUN_COMPRESSION": compression(),
        }
        if "CFLAGS" in os.environ:
            environment["CFLAGS"] = os.environ["CFLAGS"]
        script = "umask 022; cd /build/kun-gateway && exec debian/rules binary"
        checked(run_inside(tree, ["sh", "-ec", script], environment=environment, timeout_s=1800))
        out.mkdir(parents=True, exist_ok=True)
        built = [*sorted((tree / "build").glob("*.deb")), *place.glob("wheels/kun_gateway-*.whl")]
        return [Path(shutil.copy(package, out / package.name)) for package in built]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", default=",".join(SUITES), help="releases, for example 12,13")
    parser.add_argument("--version", default=VERSION)
    parser.add_argument("--out", type=Path, default=ROOT / "out/packages")
    asked = parser.parse_args(arguments)
    unknown = set(asked.debian.split(",")) - set(SUITES)
    if unknown:
        parser.error(f"--debian {asked.debian}: known are {', '.join(SUITES)}")
    if os.geteuid() != 0:
        print(
            "packages: a fresh Debian system is made for the build, which needs root: sudo make packages",
            file=sys.stderr,
        )
        return 1
    try:
        for release in asked.debian.split(","):
            for package in build(SUITES[release], asked.version, asked.out):
                print(f"packages: {package} ({package.stat().st_size // 1024} KiB)", flush=True)
    except ChrootError as error:
        print(f"packages: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
