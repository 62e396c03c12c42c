"""Writes kun_base/build.json into what is built: commit and kind. Everything else is in pyproject.toml.

KUN_COMMIT and KUN_BUILD_KIND say them where no git repository is at hand (a copy, a package's chroot).
"""

import json
import os
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
STAMP = Path("kun_base", "build.json")


def commit() -> str:
    """Twelve hex digits, "-dirty" behind them where tracked files were changed; "unknown" outside of a repository."""
    told = os.environ.get("KUN_COMMIT")
    if told:
        return told
    argv = ["git", "-C", str(HERE), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        # The repository must be this tree's own, not one that happens to lie around a copy.
        if not (HERE / ".git").exists():
            return "unknown"
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write_stamp(folder: Path, kind: str) -> None:
    """Write the stamp; one that an sdist brought keeps its commit."""
    known = HERE / STAMP
    said = json.loads(known.read_text())["commit"] if known.is_file() and "KUN_COMMIT" not in os.environ else commit()
    target = folder / STAMP
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"commit": said, "kind": os.environ.get("KUN_BUILD_KIND", kind)}) + "\n")


class StampedBuild(build_py):
    """An editable installation runs the source tree, which has no stamp."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            write_stamp(Path(self.build_lib), "wheel")


class StampedSdist(sdist):
    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_stamp(Path(base_dir), "sdist")


setup(cmdclass={"build_py": StampedBuild, "sdist": StampedSdist})
