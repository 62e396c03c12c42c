"""Where the compared programs are, and what version they have."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.ctools import compiled
from bench.peers import Peer

SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
COREDNS_BUILD = Path(__file__).parent.parent / "tests" / "coredns" / "coredns_build.py"
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")


def find_program(name: str) -> str | None:
    """Full path; Debian keeps servers in /usr/sbin, which a user's PATH may lack."""
    return shutil.which(name, path=SEARCH)


def find_peer(peer: Peer, folder: Path) -> str | None:
    """The peer's program, ready to run from our own folders; None when it is not on this machine."""
    if peer.key == "echo":
        return str(compiled("echo", folder))
    if peer.key == "kun":
        ours = Path(sys.executable).parent / peer.program
        return str(ours) if ours.exists() else find_program(peer.program)
    if peer.key == "coredns":
        return find_coredns()
    program = find_program(peer.program)
    return unconfined(program, folder) if program else None


def find_coredns() -> str | None:
    """What KUN_COREDNS names, or the one on PATH, or the pinned one of tests/coredns, built now if Go is there."""
    if given := os.environ.get("KUN_COREDNS") or find_program("coredns"):
        return given
    print("looking for CoreDNS; building it takes some minutes the first time", file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, str(COREDNS_BUILD)], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def unconfined(program: str, folder: Path) -> str:
    """AppArmor's profiles go by path and forbid configuration outside /etc: a copy elsewhere runs without one."""
    if not APPARMOR.exists() or APPARMOR.read_text().strip() != "Y":
        return program
    copy = folder / Path(program).name
    if not copy.exists():
        shutil.copy2(program, copy)
    return str(copy)


def version_of(peer: Peer, program: str) -> str:
    """As the program tells it; "" for one that tells nothing."""
    if not peer.version_argv:
        return ""
    done = subprocess.run(
        [program, *peer.version_argv], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
    )
    found = re.search(peer.version_pattern, done.stdout + done.stderr)
    return found[1] if found else "?"
