"""The pinned program and how it gets here."""

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.coredns.coredns_build import NoGo, go_command

HERE = Path(__file__).resolve().parent


def test_coredns_is_a_go_tool_with_one_pinned_version() -> None:
    lines = [line.strip() for line in (HERE / "go.mod").read_text().splitlines()]
    assert "tool github.com/coredns/coredns" in lines
    assert len([line for line in lines if line.startswith("github.com/coredns/coredns v")]) == 1


@pytest.mark.coredns
@pytest.mark.timeout(1800)
def test_it_is_the_version_of_go_mod(coredns_binary: str) -> None:
    words = (HERE / "go.mod").read_text().split()
    pinned = next(word for before, word in pairwise(words) if before == "github.com/coredns/coredns" and word[0] == "v")
    said = subprocess.run([coredns_binary, "-version"], capture_output=True, text=True, timeout=30, check=True).stdout
    assert f"CoreDNS-{pinned.removeprefix('v')}" in said


def test_without_go_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NoGo, match=r"needs Go to build"):
        go_command(path=str(tmp_path))


def test_an_old_go_is_asked_to_fetch_a_newer_one(tmp_path: Path) -> None:
    home = tmp_path / "toolchain"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "go").write_text("")
    old = tmp_path / "go"
    old.write_text(
        f"""#!/bin/sh
case $1 in
    version) echo "go version go1.19.8 linux/amd64" ;;
    mod) echo '{{"Dir": "{home}"}}' ;;
esac
"""
    )
    old.chmod(0o755)
    assert go_command(path=str(tmp_path)) == str(home / "bin" / "go")
    assert (home / "bin" / "go").stat().st_mode & 0o111


def test_an_old_go_that_cannot_fetch_says_so(tmp_path: Path) -> None:
    old = tmp_path / "go"
    old.write_text('#!/bin/sh\ntest "$1" = version && echo "go version go1.19.8 linux/amd64"\n')
    old.chmod(0o755)
    with pytest.raises(NoGo, match=r"needs Go 1\.25"):
        go_command(path=str(tmp_path))
