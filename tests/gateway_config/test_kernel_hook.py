"""kernel/zz-kun-nat64: a kernel without Jool's module is named when it is installed, not after the reboot."""

import os
import subprocess
from pathlib import Path

import pytest

HOOK = Path(__file__).parent.parent.parent / "gateway-config" / "kernel" / "zz-kun-nat64"
NEXT = "6.12.200+deb13-amd64"


def installed(tmp_path: Path, *, module: bool, program: bool = True, version: str = NEXT) -> tuple[str, str]:
    """Run the hook as a kernel's package does; what it prints and what it logs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "log"
    log.touch()
    scripts = {
        "modinfo": f'#!/bin/sh\n[ "$1 $2 $3" = "-k {NEXT} jool" ] || exit 64\nexit {0 if module else 1}\n',
        "logger": f'#!/bin/sh\necho "$*" >>{log}\n',
    } | ({"kun-nat64": "#!/bin/sh\n"} if program else {})
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    argv = ["sh", str(HOOK)] + ([version, f"/boot/vmlinuz-{version}"] if version else [])
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False, env=environment)
    # A kernel's installation never fails because of us.
    assert done.returncode == 0
    assert done.stdout == ""
    return done.stderr, log.read_text()


def test_a_kernel_without_the_module_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    said, logged = installed(tmp_path, module=False)
    assert f"kernel {NEXT} has no Jool module" in said
    assert f"apt install linux-headers-{NEXT} && dkms autoinstall -k {NEXT}" in said
    assert "daemon.crit" in logged
    assert NEXT in logged


@pytest.mark.parametrize(
    "case",
    [{"module": True}, {"module": False, "program": False}, {"module": False, "version": ""}],
    ids=["the module is there", "kun-nat64 is removed", "no version is given"],
)
def test_nothing_is_said_otherwise(tmp_path: Path, case: dict[str, bool]) -> None:
    assert installed(tmp_path, **case) == ("", "")


def test_the_hook_runs_after_dkms_and_may_be_executed() -> None:
    assert HOOK.name > "dkms"
    assert os.access(HOOK, os.X_OK)
