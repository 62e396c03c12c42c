import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FIRST_LINES = (b"#!/bin/sh", b"#!/usr/bin/env bash", b"#!/bin/bash")
SCRIPTS = sorted(
    path
    for folder in ("gateway-config", "packaging", "vagrant", "scripts", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and ".vagrant" not in path.parts and path.read_bytes().startswith(FIRST_LINES)
)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_shellcheck_has_nothing_to_say(script: Path, tool: Callable[..., str], run: Run) -> None:
    # SC1091: a sourced file is checked by itself, or belongs to the system.
    checked = run(tool("shellcheck", "shellcheck"), "-x", "-e", "SC1091", script)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("package", ["kun-6to4", "kun-dns64", "kun-nat64"])
@pytest.mark.parametrize("script", ["preinst", "postinst", "prerm", "postrm"])
def test_nor_has_it_to_maintainer_scripts(package: str, script: str, tool, run, tmp_path: Path) -> None:
    """As packaging/debian_scripts.sh puts them together."""
    parts = [ROOT / "packaging/debian/settings" / package, ROOT / f"packaging/debian/{script}.in"]
    whole = tmp_path / script
    whole.write_text("#!/bin/sh\nset -e\numask 022\n" + "".join(part.read_text() for part in parts))
    # SC2034: not every script needs every setting.
    checked = run(tool("shellcheck", "shellcheck"), "-e", "SC2034", whole)
    assert checked.returncode == 0, checked.stdout


def test_every_script_is_executable() -> None:
    assert [str(path) for path in SCRIPTS if not path.stat().st_mode & 0o100] == []


def test_the_install_script_is_among_them() -> None:
    assert ROOT / "gateway-config/install.sh" in SCRIPTS
