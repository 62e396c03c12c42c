"""What the guest image is made of, and the name that follows from it: another recipe is another image."""

import hashlib
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from lab.debian import Debian
from lab.errors import LabError
from lab.paths import REPOSITORY

ARCHITECTURE = "amd64"
KERNEL = "linux-image-cloud-amd64"
HEADERS = "linux-headers-cloud-amd64"
ROLES = "gateway,dns,node,tor"
NOT_IN_THE_LAB = b"\n# Not in the lab:"
"""Begins the roles of packaging/files.list that the image has not."""
DISK_SIZE = "4G"
FORMAT = 3
"""Raised when the image is put together in another way from the same parts."""

# What the lab itself needs in the guest; everything the product needs is the install script's business.
TOOLS = ("bind9-dnsutils", "curl", "initramfs-tools", "iputils-ping", "libpython3-dev", "nsd", "tcpdump")

# apt installs these after debootstrap, which takes the first of alternatives and would bring systemd into the guest.
AFTERWARDS = ("frr", "systemd-standalone-sysusers")

SYSROOT = "2"
"""Raised when lab/sysroot.py copies other files."""

FIRST_PROGRAM = """#!/bin/sh
# First program of the guest; everything else is on the code disk, which is made anew for each run.
mount /dev/vdb /opt/lab
exec /opt/lab/init
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Debian packages and the files whose content decides what the image is."""

    debian: Debian
    packages: tuple[str, ...]
    lock: bytes
    installer: bytes

    @property
    def tree_key(self) -> str:
        """Of the bare Debian tree: it depends on the packages alone."""
        return _digest(f"{FORMAT} {self.debian.suite} {ARCHITECTURE}".encode(), "\n".join(self.packages).encode())

    @property
    def image_key(self) -> str:
        return _digest(self.tree_key.encode(), self.lock, self.installer, FIRST_PROGRAM.encode(), SYSROOT.encode())


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def read_recipe(debian: Debian, repository: Path = REPOSITORY) -> Recipe:
    """Return the recipe of this source tree on that Debian. Raises LabError if the install script fails."""
    installer = repository / "gateway-config" / "install.sh"
    argv = ["bash", str(installer), "--role", ROLES, "--headers", HEADERS, "--print-packages"]
    listing = subprocess.run(argv, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        raise LabError(f"{installer} --print-packages failed:\n{listing.stderr}")
    packages = tuple(sorted({KERNEL, *TOOLS, *AFTERWARDS, *listing.stdout.split()}))
    files, _, _ = (repository / "packaging" / "files.list").read_bytes().partition(NOT_IN_THE_LAB)
    lock = (repository / "requirements.lock").read_bytes()
    # The programs' commands are installed in the image; the code behind them is on the code disk.
    scripts = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["scripts"]
    commands = repr(sorted(scripts.items())).encode()
    return Recipe(debian, packages, lock, installer.read_bytes() + files + commands)
