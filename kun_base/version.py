"""The version, the commit and the kind of build: one for all programs.

`VERSION` is the only place the number is written; pyproject.toml reads it from here, and `make release` sets it in the
copy it builds from. `build.json` beside this file is written by setup.py when a wheel is built; a source tree has none.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VERSION = "0.2.0.dev0"
STAMP = "build.json"


@dataclass(frozen=True, slots=True)
class Build:
    """Where the running code comes from.

    `commit`: twelve hex digits, with "-dirty" where the tree had changes; "unknown" where nothing tells.
    `kind`: "source" for a source tree, else what was built: "wheel", "deb", "image".
    """

    commit: str
    kind: str

    def __str__(self) -> str:
        return f"commit {self.commit}, {self.kind}"


def version() -> str:
    return VERSION


@cache
def build() -> Build:
    """Read the build's stamp, or the commit of the source tree. Never raises."""
    return read_build(Path(__file__).resolve().parent)


def read_build(folder: Path) -> Build:
    """Read what `folder`, that of kun_base, tells about its origin."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
        return Build(str(stamp["commit"]), str(stamp["kind"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Build(_head_of(folder.parent) or "unknown", "source")


def _head_of(tree: Path) -> str:
    """The commit that HEAD names, read without running git: programs start in a fraction of a second."""
    try:
        git = tree / ".git"
        if git.is_file():  # a work tree names its folder
            git = (tree / git.read_text().removeprefix("gitdir:").strip()).resolve()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head[:12]
        common = git / "commondir"
        shared = (git / common.read_text().strip()).resolve() if common.is_file() else git
        return _commit_of(shared, head.removeprefix("ref:").strip())[:12]
    except (OSError, UnicodeDecodeError):
        return ""


def _commit_of(git: Path, reference: str) -> str:
    loose = git / reference
    if loose.is_file():
        return loose.read_text().strip()
    for line in (git / "packed-refs").read_text().splitlines():
        commit, _, name = line.partition(" ")
        if name == reference:
            return commit
    return ""
