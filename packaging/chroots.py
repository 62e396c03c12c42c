"""Fresh Debian systems in folders: made by debootstrap once, kept as archives, unpacked for each use.

Everything that runs in one runs in mount and PID namespaces of its own, so that its mounts and processes end with it.
Needs root, debootstrap and tar. `SUITES` names what is supported.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab.mirror import find_mirror  # noqa: E402

FORMAT = 1
ARCHITECTURE = "amd64"
ATTEMPTS = 3
KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Suite:
    """A Debian release: its code name, the number in our package versions, and its Python."""

    name: str
    release: str
    python: str
    unit_folder: str

    @property
    def python_tag(self) -> str:
        return self.python.replace(".", "")


SUITES = {
    "12": Suite("bookworm", "12", "3.11", "lib/systemd/system"),
    "13": Suite("trixie", "13", "3.13", "usr/lib/systemd/system"),
}


class ChrootError(Exception):
    """A system could not be made, or a command in it failed; the text holds the end of its output."""


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kun-packages"


def contained(argv: Sequence[str], *, network: bool = True) -> list[str]:
    """The command in namespaces that die with it, and itself dying with us."""
    spaces = ["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    return ["setpriv", "--pdeathsig", "KILL", "--", "unshare", *spaces, *([] if network else ["--net"]), "--", *argv]


def archive(suite: Suite, packages: Sequence[str]) -> Path:
    """The archive of a minimal system with these packages; made if it is not kept yet."""
    names = sorted(set(packages))
    key = hashlib.sha256(f"{FORMAT} {suite.name} {ARCHITECTURE} {' '.join(names)}".encode()).hexdigest()[:16]
    kept = cache_folder() / f"{suite.name}-{key}.tar"
    if kept.is_file():
        kept.touch()
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    _forget_old()
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="making-") as scratch:
        half = Path(scratch, "tar")
        _debootstrap(suite, names, Path(scratch, "tree"), half)
        half.rename(kept)
    return kept


# In memory: dpkg waits for the disk after every package, which takes longer than all the rest.
_MAKE = """
tree=$1 half=$2; shift 2
mount -t tmpfs -o size=75%,mode=755 tmpfs "$tree"
debootstrap "$@"
rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/cache/apt/*.bin "$tree"/var/lib/apt/lists/*_*
tar --create --numeric-owner --file "$half" --directory "$tree" .
"""


def _debootstrap(suite: Suite, packages: Sequence[str], tree: Path, half: Path) -> None:
    include = [f"--include={','.join(packages)}"] if packages else []
    options = ["--variant=minbase", f"--arch={ARCHITECTURE}", *include, suite.name, str(tree), find_mirror()]
    tree.mkdir()
    for attempt in range(ATTEMPTS):
        try:
            run_checked(contained(["sh", "-ec", _MAKE, "sh", str(tree), str(half), *options]), timeout_s=1500)
            return
        except ChrootError:
            # One connection a package: a mirror that has stalled once is no reason to give up.
            if attempt + 1 == ATTEMPTS:
                raise
            time.sleep(5)


def _forget_old() -> None:
    for old in cache_folder().glob("*.tar"):
        if time.time() - old.stat().st_mtime > KEPT_DAYS * 86400:
            old.unlink()


@contextlib.contextmanager
def unpacked(suite: Suite, packages: Sequence[str], folder: Path | None = None) -> Iterator[Path]:
    """A fresh system in a folder that is gone afterwards."""
    kept = archive(suite, packages)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{suite.name}-") as scratch:
        tree = Path(scratch) / "root"
        tree.mkdir()
        run_checked(["tar", "--extract", "--numeric-owner", "--file", str(kept), "--directory", str(tree)])
        yield tree


# A fixed environment: nothing of this machine's language, proxies or paths comes in.
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
MOUNTS = (
    'mount -t proc proc "$0/proc"; mount -t tmpfs tmpfs "$0/run"; mount -t tmpfs -o mode=1777 tmpfs "$0/tmp"; '
    'for node in null zero full random urandom tty; do test -c "$0/dev/$node" || { touch "$0/dev/$node"; '
    'mount --bind "/dev/$node" "$0/dev/$node"; }; done; '
)


def run_inside(
    tree: Path, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout_s: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run a command in the system, without any network; never raises for an exit code."""
    settings = [f"{name}={value}" for name, value in {**ENVIRONMENT, **(environment or {})}.items()]
    script = f'{MOUNTS} root=$0; exec chroot "$root" /usr/bin/env -i "$@"'
    command = contained(["sh", "-ec", script, str(tree), *settings, *argv], network=False)
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def checked(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """The same; raises ChrootError with the end of the output when the command failed."""
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise ChrootError(f"exit code {done.returncode}: {' '.join(map(str, done.args))[-300:]}\n{tail}")
    return done


def run_checked(argv: Sequence[str], *, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
    return checked(subprocess.run(list(argv), capture_output=True, text=True, timeout=timeout_s, check=False))
