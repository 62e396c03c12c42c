"""Builds the compiled parts anew in a folder of its own, with gcc's address and undefined-behaviour sanitizers."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "fuzz"
FLAGS = ("-shared", "-fPIC", "-O1", "-g", "-w", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined")
SANITIZERS = "-fsanitize=address,undefined"
# The positive control: a key is written 3 bytes beyond what was asked for, for queries with a cookie.
PLANTED_IN = "kun_dns64/fastpath/stores.pyx"
SOUND, PLANTED = "first + 10 + named + tail + marked)", "first + 10 + named + tail)"


def build(*, planted: bool) -> Path:
    """The folder to import from. Raises CalledProcessError."""
    tree = OUT / ("planted" if planted else "sound")
    shutil.rmtree(tree, ignore_errors=True)
    for package in ("kun_base", "kun_dns64", "tests"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    if planted:
        source = tree / PLANTED_IN
        text = source.read_text()
        assert text.count(SOUND) == 1
        source.write_text(text.replace(SOUND, PLANTED))
    for module in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]:
        _compile(tree, tree.joinpath(*module["sources"]))
    return tree


def _compile(tree: Path, source: Path) -> None:
    made = source.with_suffix(".c")
    subprocess.run([sys.executable, "-m", "cython", "-3", source.relative_to(tree)], cwd=tree, check=True)
    library = source.with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run(["gcc", *FLAGS, SANITIZERS, include, made, "-o", library], cwd=tree, check=True)


def sanitizer() -> str:
    """What must be loaded before the interpreter, which is built without it."""
    named = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    return named.stdout.strip()
