"""Builds the guest's disk image, once: debootstrap, the install script of a real gateway, mke2fs.

Each Debian version has a folder of its own in the cache, with its own lock: neither waits for the other, and neither
takes the place of the other. The result appears under its final name only when it is complete.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab import initrd, sysroot, tree
from lab.contained import run
from lab.debian import VARIABLE, Debian
from lab.errors import LabError
from lab.paths import REPOSITORY, cache_directory
from lab.progress import Reporter, Silent
from lab.recipe import DISK_SIZE, FIRST_PROGRAM, KERNEL, ROLES, read_recipe
from lab.wheel import build_wheel, download_dependencies

_KEPT_IMAGES = 3

STEP_WHEELS = "Python dependencies"
STEP_INSTALL = "the install script of a gateway"
STEP_DISK = "disk image"
WEIGHTS = {**tree.WEIGHTS, STEP_WHEELS: 15.0, STEP_INSTALL: 40.0, STEP_DISK: 15.0}


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image; nothing ever writes to it again."""

    debian: Debian
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

    @property
    def sysroot(self) -> Path:
        """What compiles for the guest on this machine (sysroot.py)."""
        return self.directory / "sysroot"


def image_folder(debian: Debian, cache: Path | None = None) -> Path:
    """Return the folder of the cache that belongs to this Debian version."""
    return (cache or cache_directory()) / debian.version


def find_image(debian: Debian, cache: Path | None = None) -> Image | None:
    """Return the image of this source tree's recipe on that Debian, if it is built."""
    directory = image_folder(debian, cache) / f"image-{read_recipe(debian).image_key}"
    return Image(debian, directory) if directory.is_dir() else None


def ensure_image(debian: Debian, reporter: Reporter | None = None) -> Image:
    """Return the image of this source tree's recipe; build it if need be (as root, or through sudo)."""
    found = find_image(debian)
    if found:
        return found
    if os.geteuid() == 0:
        return build_image(debian, cache_directory(), reporter or Silent())
    _build_with_sudo(debian)
    found = find_image(debian)
    if not found:
        raise LabError("the image was built, but is not where it should be")
    return found


def _build_with_sudo(debian: Debian) -> None:
    if not shutil.which("sudo"):
        raise LabError("building the guest image needs root, and sudo is not installed: run this as root once")
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    environment = [f"{name}={os.environ[name]}" for name in ("KUN_LAB_MIRROR",) if name in os.environ]
    environment += [f"{VARIABLE}={debian.version}", f"KUN_LAB_CACHE={cache}", f"PYTHONPATH={REPOSITORY}"]
    code = subprocess.call(["sudo", "env", *environment, sys.executable, "-m", "lab", "build"])
    if code != 0:
        raise LabError(f"building the guest image through sudo failed (exit code {code})")


def build_image(debian: Debian, cache: Path, reporter: Reporter) -> Image:
    recipe, folder = read_recipe(debian), image_folder(debian, cache)
    folder.mkdir(parents=True, exist_ok=True)
    reporter.expect(WEIGHTS)
    with locked(folder):
        final = folder / f"image-{recipe.image_key}"
        if final.is_dir():  # somebody else built it while we waited
            return Image(debian, final)
        with scratch_folder(folder) as scratch:
            root = tree.copy_tree(folder, scratch, recipe, reporter)
            _install(root, debian, scratch, reporter)
            _make_disk(root, debian, scratch / "image", reporter)
            _give_to_caller(scratch / "image")
            (scratch / "image").rename(final)
        _forget_old_images(folder, final)
    return Image(debian, final)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of one Debian's folder; say so when somebody else has it."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build is under way: waiting for it", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Make a folder that is gone when the block ends. Call with the lock held: it removes what a killed build left."""
    for leftover in folder.glob("building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix="building-", dir=folder))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _forget_old_images(folder: Path, newest: Path) -> None:
    images = sorted(folder.glob("image-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [image for image in images if image != newest][_KEPT_IMAGES - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


def _give_to_caller(directory: Path) -> None:
    """Built through sudo: the image belongs to the user who asked for it."""
    uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if uid and gid:
        for path in (directory, *directory.iterdir(), directory.parent.parent):
            with suppress(OSError):
                os.chown(path, int(uid), int(gid))


def _install(root: Path, debian: Debian, scratch: Path, reporter: Reporter) -> None:
    """What an operator does on a machine of metal: the install script, from a folder with the wheels beside it."""
    reporter.step(STEP_WHEELS)
    source = root / "root/source"
    wheels = source / "wheels"
    wheels.mkdir(parents=True)
    download_dependencies(wheels, debian)
    wheel = build_wheel(source)
    shutil.copytree(REPOSITORY / "gateway-config", source / "gateway-config")
    (source / "packaging").mkdir()
    shutil.copy(REPOSITORY / "packaging/files.list", source / "packaging")
    shutil.copy(REPOSITORY / "requirements.lock", source)
    reporter.step(STEP_INSTALL)
    installer = "/root/source/gateway-config/install.sh"
    options = f"--role {ROLES} --no-start --wheelhouse /root/source/wheels --wheel /root/source/{wheel.name}"
    script = f'mount -t proc proc "$0/proc" && exec chroot "$0" {installer} {options}'
    run(["sh", "-ec", script, str(root)], scratch / "install.log")
    shutil.rmtree(source)
    initrd.lay_out(root)
    run(["chroot", str(root), "sh", "-ec", initrd.PACK], scratch / "initrd.log")
    shutil.rmtree(root / initrd.FOLDER)
    _leave_room_for_the_code_disk(root)


def _leave_room_for_the_code_disk(root: Path) -> None:
    """The installed programs find their dependencies in the image and the code under test on the code disk."""
    (packages,) = (root / "opt/kun").glob("venv-*/lib/python3*/site-packages")
    for package in packages.glob("kun_*"):
        if package.is_dir() and package.suffix != ".dist-info":
            shutil.rmtree(package)
    (packages / "kun-lab.pth").write_text("/opt/lab/site\n")
    (root / "opt/lab").mkdir(exist_ok=True)
    first = root / "usr/sbin/kun-lab-init"
    first.write_text(FIRST_PROGRAM)
    first.chmod(0o755)


def _make_disk(root: Path, debian: Debian, image: Path, reporter: Reporter) -> None:
    reporter.step(STEP_DISK)
    image.mkdir()
    shutil.copy(root / "vmlinuz", image / "vmlinuz")
    shutil.move(root / "initrd.img.lab", image / "initrd.img")
    if not list(root.glob("lib/modules/*/updates/dkms/jool.ko*")):
        raise LabError(f"DKMS built no Jool module for {KERNEL}")
    sysroot.copy(root, debian, image / "sysroot")
    options = ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0"]
    run(["mke2fs", *options, "-d", str(root), str(image / "disk.img"), DISK_SIZE], image / "mke2fs.log")
