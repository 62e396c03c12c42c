"""Installs the Debian packages that the lab or the tests need, and only those that are missing.

    python3 lab/host_setup.py python    what `make venv` needs
    python3 lab/host_setup.py lab       what `make demo` needs
    python3 lab/host_setup.py tests     what `make test` needs: all of that, and every program a test drives

With --check nothing is installed: it says what is missing and ends with 1. Runs with the system's Python alone.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PYTHON = ("python3-venv", "python3-dev", "gcc", "libc6-dev")
LAB = (*PYTHON, "qemu-system-x86", "debootstrap", "debian-archive-keyring", "e2fsprogs", "cpio", "kmod", "zstd")
TESTS = (
    *LAB,
    *(
        "bind9-dnsutils",
        "bind9-host",
        "knot-dnsutils",
        "openssl",
        "musl-tools",
        "iproute2",
        "iptables",
        "nftables",
        "procps",
    ),
    *("shellcheck", "systemd", "prometheus", "gobgpd", "bird2", "vagrant", "golang-go"),
    *("nsd", "bind9", "bind9-utils", "unbound"),
    *("dnstap-ldns", "fstrm-bin", "chromium"),
)
# A program that stands for a package which may have come another way.
INSTEAD = {"golang-go": ("go", "/usr/local/go/bin/go"), "vagrant": ("vagrant",), "gcc": ("gcc",)}
PURPOSES = {"python": PYTHON, "lab": LAB, "tests": TESTS}
POLICY = Path("/usr/sbin/policy-rc.d")


def is_installed(package: str) -> bool:
    if any(shutil.which(program) for program in INSTEAD.get(package, ())):
        return True
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout == "installed"


@contextmanager
def no_daemons_started(sudo: Sequence[str]) -> Iterator[None]:
    """Packages bring services (nsd, gobgpd, ...) that the tests start themselves: none is to run on this machine."""
    if POLICY.exists():
        yield
        return
    subprocess.run([*sudo, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {POLICY}; chmod 755 {POLICY}"], check=True)
    try:
        yield
    finally:
        subprocess.run([*sudo, "rm", "-f", str(POLICY)], check=False)


def install(packages: Sequence[str]) -> int:
    if not shutil.which("apt-get"):
        print(f"host_setup: this is no Debian; please install what these packages bring: {' '.join(packages)}")
        return 1
    if os.geteuid() != 0 and not shutil.which("sudo"):
        print(f"host_setup: neither root nor sudo here; as root: apt-get install {' '.join(packages)}")
        return 1
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    print(f"host_setup: installing {' '.join(packages)}", flush=True)
    environment = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive"]
    quiet = ("-q", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=5", "-o", "DPkg::Lock::Timeout=600")
    try:
        subprocess.run([*environment, "apt-get", *quiet, "update"], check=True, stdout=subprocess.DEVNULL)
        with no_daemons_started(sudo):
            command = [*environment, "apt-get", *quiet, "install", "--no-install-recommends", *packages]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    except subprocess.CalledProcessError as error:
        print(f"host_setup: failed with {error.returncode}: {' '.join(map(str, error.cmd))}")
        return 1
    return 0


def main(arguments: Sequence[str]) -> int:
    purposes = [argument for argument in arguments if not argument.startswith("-")]
    if len(purposes) != 1 or purposes[0] not in PURPOSES or set(arguments) - {purposes[0], "--check"}:
        print(__doc__)
        return 2
    missing = [package for package in PURPOSES[purposes[0]] if not is_installed(package)]
    if not missing:
        return 0
    if "--check" in arguments:
        print(f"host_setup: missing: {' '.join(missing)}")
        return 1
    return install(missing)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
