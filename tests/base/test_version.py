"""Version, commit and kind of build."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kun_base.version import Build, read_build, version

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder kun_base, in a tree that nothing tells about."""
    folder = tmp_path / "tree" / "kun_base"
    folder.mkdir(parents=True)
    return folder


def git(folder: Path, *arguments: str) -> str:
    argv = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.fixture
def repository(tree: Path) -> Path:
    git(tree.parent, "init", "--quiet")
    git(tree.parent, "commit", "--quiet", "--allow-empty", "--message", "first")
    return tree


def test_the_version_is_written_in_one_place() -> None:
    """pyproject.toml and the documentation take it from kun_base/version.py."""
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", version())
    assert "\nversion =" not in (ROOT / "pyproject.toml").read_text().split("[tool.setuptools.dynamic]")[0]


def test_a_stamp_tells_commit_and_kind(tree: Path) -> None:
    (tree / "build.json").write_text('{"commit": "0123456789ab", "kind": "deb"}')
    assert read_build(tree) == Build("0123456789ab", "deb")
    assert str(read_build(tree)) == "commit 0123456789ab, deb"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"commit": "x"}', "null", "\0"])
def test_a_stamp_that_cannot_be_read_is_none(tree: Path, text: str) -> None:
    (tree / "build.json").write_text(text)
    assert read_build(tree) == Build("unknown", "source")


def test_a_source_tree_tells_its_head(repository: Path) -> None:
    assert read_build(repository) == Build(git(repository, "rev-parse", "HEAD")[:12], "source")


def test_so_do_packed_references_a_detached_head_and_a_second_work_tree(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")[:12]
    git(repository, "pack-refs", "--all")
    assert read_build(repository).commit == head
    other = tmp_path / "other"
    git(repository, "worktree", "add", "--quiet", "-b", "side", str(other))
    assert read_build(other / "kun_base").commit == head
    git(repository, "checkout", "--quiet", "--detach")
    assert read_build(repository).commit == head


def test_a_repository_without_a_commit_tells_none(tree: Path) -> None:
    git(tree.parent, "init", "--quiet")
    assert read_build(tree).commit == "unknown"


@pytest.mark.parametrize("program", ["kun-dns64", "kun-nat64"])
def test_both_programs_tell_version_commit_and_kind(program: str) -> None:
    argv = [Path(sys.executable).parent / program, "--version"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    assert re.fullmatch(rf"{program} {re.escape(version())}( \(.*\))?, commit [0-9a-z]+, (source|wheel)\n", said)


def stamped(kind: str, tmp_path: Path, **environment: str) -> dict[str, str]:
    """What setup.py writes for this tree."""
    program = "import sys, runpy; sys.argv = ['setup.py', '--version']; m = runpy.run_path(sys.argv[0])\n"
    program += f"from pathlib import Path; m['write_stamp'](Path({str(tmp_path)!r}), {kind!r})"
    argv = [sys.executable, "-c", program]
    subprocess.run(argv, capture_output=True, check=True, timeout=120, cwd=ROOT, env=os.environ | environment)
    return dict(json.loads((tmp_path / "kun_base/build.json").read_text()))


def test_a_build_is_stamped_with_the_commit_it_comes_from(tmp_path: Path) -> None:
    said = stamped("wheel", tmp_path)
    assert said["kind"] == "wheel"
    if (ROOT / ".git").exists():
        assert said["commit"].removesuffix("-dirty") == git(ROOT, "rev-parse", "HEAD")[:12]


def test_a_package_says_its_kind_and_commit_itself(tmp_path: Path) -> None:
    told = {"KUN_COMMIT": "0123456789ab", "KUN_BUILD_KIND": "deb"}
    assert stamped("wheel", tmp_path, **told) == {"commit": "0123456789ab", "kind": "deb"}
