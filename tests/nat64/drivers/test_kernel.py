from pathlib import Path

import pytest

from kun_nat64.drivers.command import CommandResult
from kun_nat64.drivers.kernel import KernelDriver
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Module, Sysctl
from kun_nat64.model.plan import Action, Change
from tests.nat64.drivers.scripted import ScriptedRunner


@pytest.fixture
def kernel(tmp_path: Path) -> KernelDriver:
    (tmp_path / "module" / "jool").mkdir(parents=True)
    folder = tmp_path / "sys" / "net" / "ipv4"
    folder.mkdir(parents=True)
    (folder / "ip_forward").write_text("0\n")
    (folder / "ip_local_port_range").write_text("32768\t60999\n")
    return KernelDriver(ScriptedRunner(), tmp_path / "module", tmp_path / "sys")


def test_loaded_modules_are_found(kernel: KernelDriver) -> None:
    assert kernel.observe_modules(frozenset({"jool", "sit"})) == {Module("jool")}


def test_sysctls_are_read_with_single_blanks_and_missing_ones_left_out(kernel: KernelDriver) -> None:
    names = frozenset({"net.ipv4.ip_forward", "net.ipv4.ip_local_port_range", "net.ipv4.none"})
    assert kernel.observe_sysctls(names) == {
        Sysctl("net.ipv4.ip_forward", "0"),
        Sysctl("net.ipv4.ip_local_port_range", "32768 60999"),
    }


async def test_a_sysctl_is_written(kernel: KernelDriver) -> None:
    await kernel.apply(Change(Action.REPLACE, Sysctl("net.ipv4.ip_forward", "1")))
    assert kernel.observe_sysctls(frozenset({"net.ipv4.ip_forward"})) == {Sysctl("net.ipv4.ip_forward", "1")}


async def test_a_sysctl_that_this_kernel_has_not_is_an_error(kernel: KernelDriver) -> None:
    with pytest.raises(DriverError) as raised:
        await kernel.apply(Change(Action.ADD, Sysctl("net.ipv9.none", "1")))
    assert raised.value.kind is FailureKind.NOT_FOUND


@pytest.mark.parametrize(("action", "line"), [(Action.ADD, "modprobe sit"), (Action.REMOVE, "modprobe -r sit")])
async def test_modules_are_loaded_and_unloaded(action: Action, line: str, tmp_path: Path) -> None:
    runner = ScriptedRunner()
    await KernelDriver(runner, tmp_path, tmp_path).apply(Change(action, Module("sit")))
    assert runner.asked == [line]


async def test_a_module_that_was_not_built_for_this_kernel_is_told_as_missing(tmp_path: Path) -> None:
    answer = CommandResult(1, "", "modprobe: FATAL: Module jool not found in directory /lib/modules/6.1.0-50")
    driver = KernelDriver(ScriptedRunner({"modprobe": answer}), tmp_path, tmp_path)
    with pytest.raises(DriverError) as raised:
        await driver.apply(Change(Action.ADD, Module("jool")))
    assert raised.value.kind is FailureKind.MISSING_MODULE
