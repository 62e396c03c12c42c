"""Starts the virtual machine: with KVM where it really works, else in emulation."""

import os
import random
import select
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.image import Image

PROGRAM = "qemu-system-x86_64"
AGENT_PORT = 7000
_PROBE_S = 6.0
_KERNEL_LINE = "console=ttyS0 quiet panic=-1 mitigations=off apparmor=0"
# Emulated, the clock that Linux would choose is a device: each look at it leaves the emulated processor.
_EMULATED_CLOCK = " clocksource=tsc tsc=reliable"


@dataclass(frozen=True, slots=True)
class Machine:
    """What one start of QEMU needs to know."""

    image: Image
    code_disk: Path
    console: Path
    port: int
    accelerator: str
    memory_mb: int = 2048


def require_qemu() -> None:
    if not shutil.which(PROGRAM):
        raise LabError(f"{PROGRAM} is missing: apt-get install qemu-system-x86 (or run: python3 lab/host_setup.py lab)")


def command_line(machine: Machine) -> list[str]:
    """The disks are opened as snapshots: what the guest writes is gone with it, and two labs can share an image."""
    kvm = machine.accelerator == "kvm"
    processors = min(4, os.cpu_count() or 1)
    forward = f"hostfwd=tcp:127.0.0.1:{machine.port}-:{AGENT_PORT}"
    argv = [PROGRAM, "-accel", "kvm" if kvm else "tcg,thread=multi,tb-size=512", "-cpu", "host" if kvm else "max"]
    argv += ["-m", str(machine.memory_mb), "-smp", str(processors), "-no-reboot"]
    argv += ["-display", "none", "-monitor", "none"]
    argv += ["-kernel", str(machine.image.kernel), "-initrd", str(machine.image.initrd)]
    argv += ["-append", _KERNEL_LINE + ("" if kvm else _EMULATED_CLOCK)]
    argv += ["-serial", f"file:{machine.console}"]
    for disk in (machine.image.disk, machine.code_disk):
        argv += ["-drive", f"file={disk},if=virtio,format=raw,snapshot=on"]
    # restrict=on: the guest reaches nothing outside; the agent's port is the only way in.
    argv += ["-netdev", f"user,id=control,restrict=on,{forward}", "-device", "virtio-net-pci,netdev=control"]
    return argv


def free_port() -> int:
    """A free TCP port of loopback, below those the kernel hands out to clients."""
    for port in random.sample(range(10000, 32000), 1000):
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise LabError("no free port on 127.0.0.1")


def choose_accelerator(image: Image) -> str:
    """`KUN_LAB_ACCEL` (kvm or tcg), else what works here."""
    chosen = os.environ.get("KUN_LAB_ACCEL", "")
    if chosen in ("kvm", "tcg"):
        return chosen
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK) and kvm_boots(image.kernel)
    return "kvm" if usable else "tcg"


def kvm_boots(kernel: Path) -> bool:
    """/dev/kvm may exist and still not work (nested virtualisation): only a kernel's first line proves it."""
    argv = [PROGRAM, "-accel", "kvm", "-cpu", "host", "-m", "256", "-display", "none", "-monitor", "none", "-no-reboot"]
    argv += ["-nodefaults", "-serial", "stdio", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    output = b""
    deadline = time.monotonic() + _PROBE_S
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as probe:
        assert probe.stdout
        try:
            while b"Linux version" not in output:
                ready, _, _ = select.select([probe.stdout], [], [], max(0.0, deadline - time.monotonic()))
                data = os.read(probe.stdout.fileno(), 65536) if ready else b""
                if not data:
                    return False
                output += data
        finally:
            probe.kill()
    return True


def start(machine: Machine, detached: bool) -> subprocess.Popen[bytes]:
    """The machine dies with this process unless it is `detached`. A terminal's Ctrl-C does not reach it."""
    argv = command_line(machine)
    if not detached:
        argv = ["setpriv", "--pdeathsig", "KILL", "--", *argv]
    log = machine.console.with_suffix(".qemu")
    with log.open("wb") as file:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
