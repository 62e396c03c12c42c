"""Builds the guest's disk image, once: debootstrap, the install script of a real gateway, mke2fs.

Everything runs in mount and PID namespaces of its own: however a build ends, its mounts and processes end with it, and
the result appears under its final name only when it is complete.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab import initrd
from lab.debs import fetch_commands, prepare_directories
from lab.errors import LabError
from lab.mirror import find_mirror
from lab.paths import REPOSITORY, cache_directory
from lab.progress import Reporter, Silent
from lab.recipe import ARCHITECTURE, DISK_SIZE, FIRST_PROGRAM, KERNEL, ROLES, SUITE, Recipe, read_recipe
from lab.wheel import build_wheel, download_dependencies

_KEPT_IMAGES = 3
# Lines per package: apt prints one (get); debootstrap prints five or so (found, validating, extracting, ...).
_FETCH_LINES, _TREE_LINES = 240, 1000

STEP_FETCH = "Debian packages"
STEP_TREE = "Debian tree and Jool's kernel module"
STEP_WHEELS = "Python dependencies"
STEP_INSTALL = "the install script of a gateway"
STEP_DISK = "disk image"
WEIGHTS = {STEP_FETCH: 15.0, STEP_TREE: 120.0, STEP_WHEELS: 15.0, STEP_INSTALL: 40.0, STEP_DISK: 15.0}


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image; nothing ever writes to it again."""

    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd.img"


def contained(argv: list[str]) -> list[str]:
    """The command in namespaces that die with it, and itself dying with us."""
    return [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "--"),
        *argv,
    ]


def find_image(cache: Path | None = None) -> Image | None:
    """The image of this source tree's recipe, if it is built."""
    directory = (cache or cache_directory()) / f"image-{read_recipe().image_key}"
    return Image(directory) if directory.is_dir() else None


def ensure_image(reporter: Reporter | None = None) -> Image:
    """The finished image of this source tree's recipe; builds it if need be (as root, or through sudo)."""
    found = find_image()
    if found:
        return found
    if os.geteuid() == 0:
        return build_image(cache_directory(), reporter or Silent())
    _build_with_sudo()
    found = find_image()
    if not found:
        raise LabError("the image was built, but is not where it should be")
    return found


def _build_with_sudo() -> None:
    if not shutil.which("sudo"):
        raise LabError("building the guest image needs root, and sudo is not installed: run this as root once")
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    environment = [f"{name}={os.environ[name]}" for name in ("KUN_LAB_MIRROR",) if name in os.environ]
    argv = ["sudo", "env", f"KUN_LAB_CACHE={cache}", f"PYTHONPATH={REPOSITORY}", *environment]
    code = subprocess.call([*argv, sys.executable, "-m", "lab", "build"])
    if code != 0:
        raise LabError(f"building the guest image through sudo failed (exit code {code})")


def build_image(cache: Path, reporter: Reporter) -> Image:
    recipe = read_recipe()
    cache.mkdir(parents=True, exist_ok=True)
    reporter.expect(WEIGHTS)
    with _lock(cache):
        final = cache / f"image-{recipe.image_key}"
        if final.is_dir():  # somebody else built it while we waited
            return Image(final)
        _remove_leftovers(cache)
        with _scratch(cache) as scratch:
            tree = _debian_tree(cache, scratch, recipe, reporter)
            _install(tree, scratch, reporter)
            _make_disk(tree, scratch / "image", reporter)
            _give_to_caller(scratch / "image")
            (scratch / "image").rename(final)
        _forget_old_images(cache, final)
    return Image(final)


@contextmanager
def _lock(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build is under way: waiting for it", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(cache: Path) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _remove_leftovers(cache: Path) -> None:
    # Only a build that was killed outright leaves one, and we hold the lock.
    for leftover in cache.glob("building-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _forget_old_images(cache: Path, newest: Path) -> None:
    images = sorted(cache.glob("image-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [image for image in images if image != newest][_KEPT_IMAGES - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


def _give_to_caller(directory: Path) -> None:
    """Built through sudo: the image belongs to the user who asked for it."""
    uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if uid and gid:
        for path in (directory, *directory.iterdir(), directory.parent.parent):
            with suppress(OSError):
                os.chown(path, int(uid), int(gid))


def _debian_tree(cache: Path, scratch: Path, recipe: Recipe, reporter: Reporter) -> Path:
    """A private copy of the Debian tree; the tree itself is kept, since the install script changes more often."""
    kept = cache / f"tree-{recipe.tree_key}"
    if not kept.is_dir():
        for old in cache.glob("tree-*"):
            shutil.rmtree(old, ignore_errors=True)
        _bootstrap(scratch, recipe, reporter).rename(kept)
    tree = scratch / "tree"
    _run(["cp", "--archive", "--reflink=auto", str(kept), str(tree)], scratch / "copy.log")
    return tree


def _bootstrap(scratch: Path, recipe: Recipe, reporter: Reporter) -> Path:
    mirror, debs, fresh = find_mirror(), scratch / "debs", scratch / "fresh"
    reporter.step(STEP_FETCH)
    prepare_directories(debs, mirror)
    for command in fetch_commands(debs, recipe):
        _run_counting(command, scratch / "fetch.log", _FETCH_LINES, reporter)
    reporter.step(STEP_TREE)
    argv = ["debootstrap", "--variant=minbase", f"--arch={ARCHITECTURE}", f"--include={','.join(recipe.packages)}"]
    argv += [f"--cache-dir={debs / 'archives'}", SUITE, str(fresh), mirror]
    _run_counting(argv, scratch / "debootstrap.log", _TREE_LINES, reporter)
    shutil.rmtree(fresh / "var/cache/apt/archives", ignore_errors=True)
    return fresh


def _run_counting(argv: list[str], log: Path, expected_lines: int, reporter: Reporter) -> None:
    """The lines that the command prints are the measure of its progress."""
    with log.open("w") as file, _child(argv) as child:
        assert child.stdout
        for count, line in enumerate(child.stdout, 1):
            file.write(line)
            reporter.within(min(0.97, count / expected_lines), line.removeprefix("I: ").strip()[:60])
    _check(argv, child.returncode, log)


def _run(argv: list[str], log: Path) -> None:
    _run_counting(argv, log, 1, Silent())


@contextmanager
def _child(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        contained(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the child in an orderly way
    )
    try:
        yield child
        child.wait()
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if child.stdout:
            child.stdout.close()


def _check(argv: list[str], code: int, log: Path) -> None:
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise LabError(f"{argv[0]} failed with exit code {code}; the end of its output:\n{tail}")


def _install(tree: Path, scratch: Path, reporter: Reporter) -> None:
    """What an operator does on a machine of metal: the install script, from a folder with the wheels beside it."""
    reporter.step(STEP_WHEELS)
    source = tree / "root/source"
    wheels = source / "wheels"
    wheels.mkdir(parents=True)
    download_dependencies(wheels)
    wheel = build_wheel(source)
    shutil.copytree(REPOSITORY / "gateway-config", source / "gateway-config")
    shutil.copy(REPOSITORY / "requirements.lock", source)
    reporter.step(STEP_INSTALL)
    installer = "/root/source/gateway-config/install.sh"
    options = f"--role {ROLES} --no-start --wheelhouse /root/source/wheels --wheel /root/source/{wheel.name}"
    script = f'mount -t proc proc "$0/proc" && exec chroot "$0" {installer} {options}'
    _run(["sh", "-ec", script, str(tree)], scratch / "install.log")
    shutil.rmtree(source)
    initrd.lay_out(tree)
    _run(["chroot", str(tree), "sh", "-ec", initrd.PACK], scratch / "initrd.log")
    shutil.rmtree(tree / initrd.FOLDER)
    _leave_room_for_the_code_disk(tree)


def _leave_room_for_the_code_disk(tree: Path) -> None:
    """The installed programs find their dependencies in the image and the code under test on the code disk."""
    (packages,) = (tree / "opt/kun").glob("venv-*/lib/python3*/site-packages")
    for package in packages.glob("kun_*"):
        if package.is_dir() and package.suffix != ".dist-info":
            shutil.rmtree(package)
    (packages / "kun-lab.pth").write_text("/opt/lab/site\n")
    (tree / "opt/lab").mkdir(exist_ok=True)
    first = tree / "usr/sbin/kun-lab-init"
    first.write_text(FIRST_PROGRAM)
    first.chmod(0o755)


def _make_disk(tree: Path, image: Path, reporter: Reporter) -> None:
    reporter.step(STEP_DISK)
    image.mkdir()
    shutil.copy(tree / "vmlinuz", image / "vmlinuz")
    shutil.move(tree / "initrd.img.lab", image / "initrd.img")
    if not list(tree.glob("lib/modules/*/updates/dkms/jool.ko*")):
        raise LabError(f"DKMS built no Jool module for {KERNEL}")
    options = ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0"]
    _run(["mke2fs", *options, "-d", str(tree), str(image / "disk.img"), DISK_SIZE], image / "mke2fs.log")
