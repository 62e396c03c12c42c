"""Kernel modules and sysctls, through /sys/module, modprobe and /proc/sys."""

import errno
import os
from pathlib import Path

from kun_nat64.drivers.command import Runner, failed
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Facts, Module, Sysctl
from kun_nat64.model.plan import Action, Change

MODULES, SYSCTLS = Path("/sys/module"), Path("/proc/sys")


class KernelDriver:
    def __init__(self, runner: Runner, modules: Path = MODULES, sysctls: Path = SYSCTLS) -> None:
        self._runner, self._modules, self._sysctls = runner, modules, sysctls

    def observe_modules(self, names: frozenset[str]) -> Facts:
        """Those that are loaded, or built into the kernel with parameters."""
        return frozenset(Module(name) for name in names if os.path.isdir(f"{self._modules}/{name.replace('-', '_')}"))

    def observe_sysctls(self, names: frozenset[str]) -> Facts:
        """Those that this kernel has. Raises DriverError when one cannot be read."""
        return frozenset(Sysctl(name, value) for name in names if (value := self._read(name)) is not None)

    def _read(self, name: str) -> str | None:
        try:
            with open(self._path(name), "rb", buffering=0) as file:
                return b" ".join(file.read().split()).decode("ascii", "replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(("sysctl", name), error) from error

    def _path(self, name: str) -> str:
        """A dot inside an interface's name is written as a slash, as sysctl(8) does."""
        return f"{self._sysctls}/" + "/".join(part.replace("/", ".") for part in name.split("."))

    async def apply(self, change: Change) -> None:
        match change.fact:
            case Module(name=name):
                await self._modprobe(name, remove=change.action is Action.REMOVE)
            case Sysctl(name=name, value=value):
                self._write(name, value)
            case other:
                raise AssertionError(f"{other} is not for this driver")

    async def _modprobe(self, name: str, *, remove: bool) -> None:
        argv = ("modprobe", "-r", name) if remove else ("modprobe", name)
        outcome = await self._runner.run(*argv, deadline_s=20.0)
        if outcome.exit_code != 0:
            missing = "not found" in outcome.stderr
            raise failed(argv, outcome, FailureKind.MISSING_MODULE if missing else FailureKind.EXIT_CODE)

    def _write(self, name: str, value: str) -> None:
        try:
            with open(self._path(name), "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            raise _refused(("sysctl", "-w", f"{name}={value}"), error) from error


def _refused(argv: tuple[str, ...], error: OSError) -> DriverError:
    kind = {
        errno.EACCES: FailureKind.PERMISSION,
        errno.EPERM: FailureKind.PERMISSION,
        errno.EROFS: FailureKind.PERMISSION,
        errno.ENOENT: FailureKind.NOT_FOUND,
    }.get(error.errno or 0, FailureKind.EXIT_CODE)
    return DriverError(kind, argv, error.strerror or str(error), error.errno)


def module_version(name: str, modules: Path = MODULES) -> str:
    """What a loaded module says of itself; "" for one that is not loaded, or says nothing."""
    try:
        return (modules / name / "version").read_text().strip()
    except OSError:
        return ""
