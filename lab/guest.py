"""One virtual machine: started, waited for, spoken to and ended."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import channel, codedisk, qemu
from lab.channel import Address, Request
from lab.debian import Debian, debian
from lab.errors import DidNotStart, LabError
from lab.image import Image, ensure_image
from lab.paths import cache_directory, state_directory
from lab.progress import Reporter, Silent
from lab.topology import Topology

STEP_CODE = "wheel and code disk"
STEP_BOOT = "booting the virtual machine"
WEIGHTS = {STEP_CODE: 4.0, STEP_BOOT: 14.0}
_BOOT_LIMIT_S = 240.0


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command in the guest ended. `code` is None if it was ended for taking too long."""

    argv: tuple[str, ...]
    code: int | None
    stdout: str
    stderr: str


class CommandFailed(LabError):
    def __init__(self, host: str, done: Completed) -> None:
        how = "took too long" if done.code is None else f"exit code {done.code}"
        super().__init__(f"{host or 'guest'}: {' '.join(done.argv)}: {how}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        self.done = done


class Guest:
    """A running virtual machine with the agent in it."""

    def __init__(
        self,
        directory: Path,
        image: Image,
        pid: int,
        address: Address,
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.directory = directory
        self.image = image
        self.pid = pid
        self.address = address
        self._process = process  # where this program started it itself

    @property
    def alive(self) -> bool:
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False
        return str(self.directory).encode() in command

    def console(self) -> str:
        with suppress(OSError):
            return (self.directory / "console.log").read_text(errors="replace")
        return ""

    def request(
        self,
        op: str,
        arguments: dict[str, Any],
        stdin: bytes = b"",
        on_output: Callable[[bytes, bytes], None] | None = None,
        silence_s: float | None = None,
    ) -> dict[str, Any]:
        return channel.perform(self.address, Request(op, arguments, stdin), on_output, silence_s)

    def run(
        self,
        host: str,
        *argv: str,
        stdin: str | bytes = b"",
        timeout_s: float = 60.0,
        check: bool = True,
    ) -> Completed:
        """Runs a command on a host ("": the guest itself) to its end. Raises CommandFailed unless `check` is off."""
        output: dict[bytes, list[bytes]] = {b"o": [], b"r": []}
        data = stdin.encode() if isinstance(stdin, str) else stdin
        result = self.request(
            "run",
            {"host": host, "argv": argv, "timeout_s": timeout_s},
            data,
            lambda kind, payload: output[kind].append(payload),
            timeout_s + 30.0,
        )
        texts = [b"".join(output[kind]).decode(errors="replace") for kind in (b"o", b"r")]
        done = Completed(argv, result["code"], texts[0], texts[1])
        if check and done.code != 0:
            raise CommandFailed(host, done)
        return done

    def stop(self) -> None:
        """Ends the machine at once: nothing in it is worth keeping, its disks are snapshots."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
            for _ in range(100):
                if not self.alive:
                    break
                time.sleep(0.05)
        if self._process is not None:
            self._process.wait(5)
        shutil.rmtree(self.directory, ignore_errors=True)


def boot(name: str, release: Debian, topology: Topology, detached: bool, reporter: Reporter | None = None) -> Guest:
    """Start a machine of that name and return when its agent answers. Raises LabError, leaving nothing behind.

    One that does not start is started once more: an emulated kernel crashes now and then while it patches its own code.
    """
    try:
        return _boot(name, release, topology, detached, reporter or Silent())
    except DidNotStart as error:
        print(f"lab: starting the virtual machine once more, for: {error}", file=sys.stderr)
        return _boot(name, release, topology, detached, reporter or Silent())


def _boot(name: str, release: Debian, topology: Topology, detached: bool, reporter: Reporter) -> Guest:
    qemu.require_qemu()
    image = ensure_image(release, reporter)
    reporter.expect(WEIGHTS)
    directory = _claim(name)
    guest: Guest | None = None
    try:
        reporter.step(STEP_CODE)
        token = secrets.token_hex(16)
        code = directory / "code"
        codedisk.fill(code, image, topology, token)
        codedisk.make_disk(code, directory / "code.img")
        shutil.rmtree(code)
        reporter.step(STEP_BOOT)
        accelerator = qemu.choose_accelerator(image)
        port = qemu.free_port()
        machine = qemu.Machine(image, directory / "code.img", directory / "console.log", port, accelerator)
        process = qemu.start(machine, detached)
        guest = Guest(directory, image, process.pid, Address(port, token), process)
        state = {"pid": process.pid, "port": port, "token": token, "accelerator": accelerator}
        state |= {"debian": release.version, "image": str(image.directory)}
        state |= {"gateways": len(topology.gateways), "native": topology.native}
        _write_private(directory / "state.json", json.dumps(state))
        _wait_for_agent(guest, process, reporter)
    except BaseException:
        if guest:
            guest.stop()
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return guest


def attach(name: str) -> tuple[Guest, dict[str, Any]]:
    """A machine that runs already, and what was written down about it. Raises LabError when there is none."""
    directory = state_directory(name)
    try:
        state = json.loads((directory / "state.json").read_text())
    except (OSError, ValueError):
        raise LabError(f"no lab named {name!r} is running: python -m lab up --name {name}") from None
    image = Image(debian(state["debian"]), Path(state["image"]))
    guest = Guest(directory, image, state["pid"], Address(state["port"], state["token"]))
    if not guest.alive:
        shutil.rmtree(directory, ignore_errors=True)
        raise LabError(f"the lab named {name!r} is gone: python -m lab up --name {name}")
    return guest, state


def running() -> list[str]:
    names = []
    for directory in sorted((cache_directory() / "running").glob("*")):
        with suppress(LabError):
            attach(directory.name)
            names.append(directory.name)
    return names


def _claim(name: str) -> Path:
    if name in running():
        raise LabError(f"a lab named {name!r} runs already: python -m lab down --name {name}, or choose another name")
    directory = state_directory(name)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    return directory


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _wait_for_agent(guest: Guest, process: subprocess.Popen[bytes], reporter: Reporter) -> None:
    started = time.monotonic()
    while True:
        waited = time.monotonic() - started
        if process.poll() is not None or waited > _BOOT_LIMIT_S:
            complaint = (guest.directory / "console.qemu").read_text(errors="replace")
            raise DidNotStart(f"the virtual machine did not start:\n{complaint}{guest.console()[-3000:]}")
        with suppress(OSError, LabError):
            guest.request("ping", {}, silence_s=5.0)
            return
        reporter.within(min(0.95, waited / WEIGHTS[STEP_BOOT]))
        time.sleep(0.2)
