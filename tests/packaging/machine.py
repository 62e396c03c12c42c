"""A fresh Debian system with a real systemd, in namespaces of its own: without a network and without a compiler."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "packaging"))

from chroots import ENVIRONMENT, SUITES, ChrootError, Suite, run_inside, unpacked  # noqa: E402

__all__ = ["SUITES", "ChrootError", "Machine", "Suite", "booted", "run_inside", "unpacked"]

# What the packages depend on, and what the tests put beside them.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "locales", "python3", "iproute2", "kmod", "procps", "iptables", "nftables"),
    *("jool-tools", "gobgpd", "ca-certificates"),
)
BOOT_S = 60

_BOOT = """
root=$0
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
ip link set lo up
# The outside of the gateway that the shipped configuration names.
ip link add eth1 type veth peer name eth2
ip link set eth1 up
cd "$root"
# Not chroot alone: the kernel makes no user namespace (PrivateUsers=yes) for what lives in one.
pivot_root . mnt
umount --lazy mnt
exec chroot . /usr/bin/env -i container=kun PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal
"""


class Machine:
    """Runs commands in a system that has been booted."""

    def __init__(self, tree: Path, pid: int) -> None:
        self.tree = tree
        self._pid = pid

    def run(self, *argv: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        settings = [f"{name}={value}" for name, value in {**ENVIRONMENT, **(environment or {})}.items()]
        inside = [
            "nsenter",
            "--target",
            str(self._pid),
            "--all",
            "--root",
            "--wd",
            "--",
            "/usr/bin/env",
            "-i",
            *settings,
        ]
        return subprocess.run([*inside, *argv], capture_output=True, text=True, timeout=300, check=False)

    def do(self, *argv: str, environment: Mapping[str, str] | None = None) -> str:
        """The same; fails the test when the command fails. Gives what it printed."""
        done = self.run(*argv, environment=environment)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def state(self, unit: str) -> str:
        return self.run("systemctl", "is-active", unit).stdout.strip()

    def main_pid(self, unit: str) -> int:
        return int(self.run("systemctl", "show", "--value", "--property=MainPID", unit).stdout)

    def wait_for(self, unit: str, state: str = "active", limit_s: float = 60) -> None:
        deadline = time.monotonic() + limit_s
        while self.state(unit) != state:
            if time.monotonic() > deadline:
                journal = self.run("journalctl", "--no-pager", "-n", "30", "-u", unit).stdout
                pytest.fail(f"{unit} is {self.state(unit)}, not {state}: {journal}")
            time.sleep(0.2)


@contextlib.contextmanager
def control_group() -> Iterator[Path]:
    """A control group (version 2) for systemd to be the root of."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    places = [Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]
    group = (places[0] if places else Path("/nowhere")) / f"kun-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"this machine gives no control group to a test: {error}")
    try:
        yield group
    finally:
        for _ in range(50):
            inner = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
            with contextlib.suppress(OSError):
                for path in inner:
                    path.rmdir()
                group.rmdir()
                break
            time.sleep(0.1)


@contextlib.contextmanager
def booted(suite: Suite, folder: Path) -> Iterator[Machine]:
    """The system, booted; it is gone afterwards, with all that ran in it."""
    with unpacked(suite, PACKAGES, folder) as tree, control_group() as group:
        spaces = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child"]
        unshare = ["unshare", *spaces, "--propagation", "private", "sh", "-ec", _BOOT, str(tree)]
        joined = ["sh", "-ec", f'echo $$ >"{group}/cgroup.procs"; exec "$@"', "sh", *unshare]
        log = (folder / "boot.log").open("w")
        with log, subprocess.Popen(joined, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as child:
            try:
                yield Machine(tree, _wait_for_boot(child, folder / "boot.log"))
            finally:
                child.kill()


def _wait_for_boot(child: subprocess.Popen[bytes], log: Path) -> int:
    """The process that is number 1 inside."""
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            pytest.skip(f"this machine starts no systemd in namespaces: {log.read_text()[-300:]}")
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        if children:
            told = ["nsenter", "--target", children[0], "--all", "--root", "--wd", "systemctl", "is-system-running"]
            said = subprocess.run(told, capture_output=True, text=True, check=False).stdout.strip()
            if said in ("running", "degraded"):
                return int(children[0])
        time.sleep(0.2)
    raise AssertionError(f"systemd was not up after {BOOT_S} s: {log.read_text()[-1000:]}")
