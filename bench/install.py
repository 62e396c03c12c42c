"""Installs what a benchmark needs from Debian, when asked to (--install)."""

import os
import subprocess
from collections.abc import Iterable, Sequence

from bench.peers import Peer
from bench.process import BenchError, last_line
from bench.programs import find_program

TOOLS = {"nsd": "nsd", "dnsperf": "dnsperf", "gcc": "gcc libc6-dev", "taskset": "util-linux", "setpriv": "util-linux"}
# policy-rc.d keeps the servers from starting on port 53 while their packages are set up (Debian Policy 9.3.3.2).
SCRIPT = """\
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 -q update
apt-get -o DPkg::Lock::Timeout=300 -q install -y --no-install-recommends "$@"
"""


def missing_tools() -> list[str]:
    """Packages without which nothing can be measured."""
    return sorted({part for tool, package in TOOLS.items() if not find_program(tool) for part in package.split()})


def missing_packages(peers: Iterable[Peer]) -> list[str]:
    servers = {peer.package for peer in peers if peer.package and not find_program(peer.program)}
    return sorted({*missing_tools(), *servers})


def install(packages: Sequence[str]) -> None:
    """Raises BenchError with apt's last words. Asks sudo when we are not root."""
    if not packages:
        return
    become = [] if os.geteuid() == 0 else ["sudo"]
    argv = [*become, "sh", "-c", SCRIPT, "install", *packages]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"installing {' '.join(packages)}: {last_line(done.stderr)}")
