"""Build the Debian packages for arm64 from those for amd64: python3 packaging/build_arm64.py DEB... [--out FOLDER]

Without a compiler and without such a machine: each package keeps its files, and its libraries are replaced by the
wheels for arm64 that the lock files name. Our own wheel is of pure Python, so kun-dns64 runs without its compiled
parts there. The same commit gives the same bytes.
"""

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import build_python  # noqa: E402
import deb_tree  # noqa: E402
from build_debs import source_date  # noqa: E402
from chroots import ROOT, SUITES, ChrootError, Suite, cache_folder, run_checked  # noqa: E402

from kun_base.version import VERSION  # noqa: E402

# What pip accepts on the older of the supported systems, glibc 2.36.
PLATFORMS = (*(f"manylinux_2_{minor}_aarch64" for minor in (36, 34, 28, 17)), "manylinux2014_aarch64")
OURS = re.compile(r"^kun_\w+/.*\.so$")
FOREIGN = "cpython-{tag}-x86_64-linux-gnu.so", "cpython-{tag}-aarch64-linux-gnu.so"
# Of the package itself, not of a library.
KEPT = ("parts", "sysctl.d")


def install_libraries(suite: Suite, version: str, target: Path) -> None:
    """Put all pinned libraries and our packages into `target`, for arm64. Raises ChrootError."""
    kept = cache_folder() / f"wheels-{suite.python_tag}-aarch64"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    kind = ["--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={suite.python_tag}"]
    kind += [f"--abi={abi}" for abi in (f"cp{suite.python_tag}", "abi3", "none")]
    kind += [f"--platform={platform}" for platform in PLATFORMS]
    lock = ["--require-hashes", "-r", str(ROOT / "requirements-controller.lock")]
    run_checked([*pip, "download", *kind, "--find-links", str(kept), "--dest", str(kept), *lock])
    into = [*pip, "install", "--no-index", "--no-compile", *kind, "--target", str(target)]
    run_checked([*into, "--find-links", str(kept), *lock])
    with tempfile.TemporaryDirectory() as scratch:
        wheel, _ = build_python.build(version, Path(scratch), pure=True)
        run_checked([*into, str(wheel)])
    for path in target.glob("*.dist-info/direct_url.json"):
        forget(path)


def forget(path: Path) -> None:
    """Remove the file that tells where a wheel lay, and its line among the installed files."""
    path.unlink()
    record = path.with_name("RECORD")
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if f"/{path.name}," not in line))


def names_of(library: Path) -> set[str]:
    return {str(path.relative_to(library)) for path in library.rglob("*") if path.is_file()}


def replace_libraries(deb: deb_tree.Deb, libraries: Path) -> None:
    """Take for each file of the package its counterpart for arm64. Raises ChrootError where one is missing."""
    ours = deb.tree / "usr/lib" / deb.package
    foreign, native = (name.format(tag=SUITES[deb.release].python_tag) for name in FOREIGN)
    stamp = (ours / "kun_base/build.json").read_bytes()
    missing = []
    for name in sorted(names_of(ours)):
        if name.split("/")[0] in KEPT:
            continue
        (ours / name).unlink()
        source = libraries / name.replace(foreign, native)
        if source.is_file():
            shutil.copyfile(source, ours / name.replace(foreign, native))
        elif not OURS.match(name):
            missing.append(name)
    if missing:
        raise ChrootError(f"{deb.package}: there is nothing for arm64 in the place of {', '.join(missing[:9])}")
    (ours / "kun_base/build.json").write_bytes(stamp)
    forget_programs(deb, ours)


def forget_programs(deb: deb_tree.Deb, ours: Path) -> None:
    """Count the programs anew in `parts`, which tells an upgrade what has changed."""
    digest = hashlib.sha256()
    for name in deb.files():
        if name.is_relative_to("usr/bin") or name.is_relative_to(f"usr/lib/{deb.package}"):
            path = deb.tree / name
            if path.is_file() and path != ours / "parts":
                digest.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    text = (ours / "parts").read_text()
    (ours / "parts").write_text(re.sub(r"(?m)^\w+( programs)$", rf"{digest.hexdigest()}\1", text))


def settle(deb: deb_tree.Deb) -> None:
    """Bring modes and control files in line with what the tree holds now."""
    for name in deb.files():
        path = deb.tree / name
        if name.is_relative_to(f"usr/lib/{deb.package}") and not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    files = [name for name in deb.files() if (deb.tree / name).is_file() and not (deb.tree / name).is_symlink()]
    size = sum(-(-(deb.tree / name).stat().st_size // 1024) for name in files)
    control = deb.tree / "DEBIAN/control"
    text = re.sub(r"(?m)^Architecture: .*$", "Architecture: arm64", control.read_text())
    control.write_text(re.sub(r"(?m)^Installed-Size: .*$", f"Installed-Size: {size}", text))
    settings = (deb.tree / "DEBIAN/conffiles").read_text().split()
    sums = [
        f"{hashlib.md5((deb.tree / name).read_bytes()).hexdigest()}  {name}\n"
        for name in files
        if f"/{name}" not in settings
    ]
    (deb.tree / "DEBIAN/md5sums").write_text("".join(sums))


def build(sources: Sequence[Path], version: str, out: Path) -> list[Path]:
    """Build the counterparts of packages of one release of Debian. Raises ChrootError and ValueError."""
    built: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="kun-arm64-") as scratch:
        libraries = Path(scratch, "libraries")
        for number, source in enumerate(sources):
            deb = deb_tree.take_apart(source, Path(scratch, str(number)))
            if not libraries.exists():
                install_libraries(SUITES[deb.release], version, libraries)
            replace_libraries(deb, libraries)
            settle(deb)
            name = source.name.replace("_amd64.deb", "_arm64.deb")
            built.append(deb_tree.put_together(deb, out / name, source_date()))
    return built


def main(arguments: Sequence[str]) -> int:
    parser = deb_tree.parser_of(__doc__, "..._amd64.deb of build_debs.py")
    parser.add_argument("--version", default=VERSION)
    asked = parser.parse_args(arguments)
    os.umask(0o022)
    of_release = ([path for path in asked.debs if f"~deb{release}_amd64" in path.name] for release in SUITES)
    return deb_tree.report(package for debs in of_release for package in build(debs, asked.version, asked.out))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
