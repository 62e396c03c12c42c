"""Installs the Debian packages that the lab or the tests need, and only those that are missing.

    python3 lab/host_setup.py python    what `make venv` needs
    python3 lab/host_setup.py lab       what `make demo` needs
    python3 lab/host_setup.py packages  what `make packages` needs
    python3 lab/host_setup.py tests     what `make test` needs: all of that, and every program a test drives

With --check nothing is installed: it says what is missing and ends with 1. Runs with the system's Python alone.

It says what it installs and where that stays. A daemon among it is neither started nor left for the next boot; what was
installed is noted in `NOTED`, one package a line.
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
PACKAGES = (*PYTHON, "debootstrap", "debian-archive-keyring", "buildah", "rpm")
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
    *(
        "shellcheck",
        "systemd",
        "prometheus",
        "prometheus-alertmanager",
        "prometheus-blackbox-exporter",
        "gobgpd",
        "bird2",
        "frr",
        "vagrant",
        "golang-go",
    ),
    *("nsd", "bind9", "bind9-utils", "unbound"),
    *("dnstap-ldns", "fstrm-bin", "chromium", "lintian", "buildah", "rpm"),
)
# A program that stands for a package which may have come another way.
INSTEAD = {"golang-go": ("go", "/usr/local/go/bin/go"), "vagrant": ("vagrant",), "gcc": ("gcc",)}
PURPOSES = {"python": PYTHON, "lab": LAB, "packages": PACKAGES, "tests": TESTS}
POLICY = Path("/usr/sbin/policy-rc.d")
NOTED = Path("/var/lib/kun-host-setup/installed")
UNIT_FOLDERS = ("/lib/systemd/system/", "/usr/lib/systemd/system/")
WHERE_IT_STAYS = """host_setup: they stay installed; none of their daemons is started, now or at the next boot.
host_setup: images, systems and builds stay in ~/.cache/kun-*, .venv is beside: `make clean-all` removes both."""


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


def installed_packages() -> set[str]:
    argv = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n"]
    listing = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    return {line.split()[1] for line in listing.splitlines() if line.startswith("installed ")}


def units_of(packages: Sequence[str]) -> list[str]:
    """Services, sockets and timers that these packages bring."""
    if not packages:
        return []
    listing = subprocess.run(
        ["dpkg-query", "--listfiles", *packages], capture_output=True, text=True, check=False
    ).stdout
    paths = (line for line in listing.splitlines() if line.startswith(UNIT_FOLDERS))
    return sorted({Path(path).name for path in paths if path.endswith((".service", ".socket", ".timer"))})


def enabled_units(packages: Sequence[str]) -> list[str]:
    """Those of their units that the next boot would start."""
    if not shutil.which("systemctl"):
        return []
    units = [unit for unit in units_of(packages) if "@" not in unit]
    asked = (
        subprocess.run(["systemctl", "is-enabled", unit], capture_output=True, text=True, check=False) for unit in units
    )
    return [unit for unit, answer in zip(units, asked, strict=True) if answer.stdout.strip() == "enabled"]


def disable_daemons(packages: Sequence[str], sudo: Sequence[str]) -> None:
    """Debian enables what it installs; the tests start what they need by themselves."""
    enabled = enabled_units(packages)
    if enabled:
        subprocess.run([*sudo, "systemctl", "--quiet", "disable", *enabled], check=True, stderr=subprocess.DEVNULL)
        print(f"host_setup: disabled for the next boot: {' '.join(enabled)}", flush=True)


def note(packages: Sequence[str], sudo: Sequence[str]) -> None:
    """Add to the list of what was installed here."""
    text = "".join(f"{name}\n" for name in packages)
    script = f'mkdir -p "{NOTED.parent}" && cat >>"{NOTED}"'
    subprocess.run([*sudo, "sh", "-c", script], input=text, text=True, check=True)


def install(packages: Sequence[str]) -> int:
    if not shutil.which("apt-get"):
        print(f"host_setup: this is no Debian; please install what these packages bring: {' '.join(packages)}")
        return 1
    if os.geteuid() != 0 and not shutil.which("sudo"):
        print(f"host_setup: neither root nor sudo here; as root: apt-get install {' '.join(packages)}")
        return 1
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    print(f"host_setup: installing {' '.join(packages)}\n{WHERE_IT_STAYS}", flush=True)
    before = installed_packages()
    environment = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive"]
    quiet = ("-q", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=5", "-o", "DPkg::Lock::Timeout=600")
    try:
        subprocess.run([*environment, "apt-get", *quiet, "update"], check=True, stdout=subprocess.DEVNULL)
        with no_daemons_started(sudo):
            command = [*environment, "apt-get", *quiet, "install", "--no-install-recommends", *packages]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        new = sorted(installed_packages() - before)
        disable_daemons(new, sudo)
        note(new, sudo)
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
