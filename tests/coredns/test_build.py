"""The pinned program and how it gets here."""

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from coredns_build import NoGo, go_command

HERE = Path(__file__).resolve().parent


def test_coredns_is_a_go_tool_with_one_pinned_version() -> None:
    lines = [line.strip() for line in (HERE / "go.mod").read_text().splitlines()]
    assert "tool github.com/coredns/coredns" in lines
    assert len([line for line in lines if line.startswith("github.com/coredns/coredns v")]) == 1


@pytest.mark.coredns
def test_it_is_the_version_of_go_mod(coredns_binary: str) -> None:
    words = (HERE / "go.mod").read_text().split()
    pinned = next(word for before, word in pairwise(words) if before == "github.com/coredns/coredns" and word[0] == "v")
    said = subprocess.run([coredns_binary, "-version"], capture_output=True, text=True, timeout=30, check=True).stdout
    assert f"CoreDNS-{pinned.removeprefix('v')}" in said


def test_without_go_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NoGo, match=r"needs Go 1\.25"):
        go_command(path=str(tmp_path))
