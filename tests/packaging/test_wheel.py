"""The wheel and the lock files: what an operator installs.

That both are all a fresh environment needs is shown in tests/gateway_config/test_install_script.py.
"""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from kun_base.version import version

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("kun_base", "kun_cluster", "kun_dns64", "kun_nat64")
PROGRAMS = ("kun-controller", "kun-dns64", "kun-nat64")
LOCKS = {
    "requirements.lock": (),
    "requirements-controller.lock": ("controller",),
    "requirements-dev.lock": ("dev", "controller"),
}


@pytest.fixture(scope="module")
def contents(wheel: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(wheel) as archive:
        yield archive


def text_of(archive: zipfile.ZipFile, ending: str) -> str:
    (name,) = [name for name in archive.namelist() if name.endswith(ending)]
    return archive.read(name).decode()


def pinned(lock: str) -> dict[str, Version]:
    lines = (ROOT / lock).read_text().splitlines()
    pairs = (re.match(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in lines)
    return {canonicalize_name(pair[1]): Version(pair[2]) for pair in pairs if pair}


def required(extras: tuple[str, ...]) -> list[Requirement]:
    texts = PROJECT["dependencies"] + [text for extra in extras for text in PROJECT["optional-dependencies"][extra]]
    return [Requirement(text) for text in texts]


def test_the_wheel_holds_four_packages_and_nothing_else(contents: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in contents.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_every_module_of_the_tree_is_in_the_wheel(contents: zipfile.ZipFile) -> None:
    here = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert {name for name in contents.namelist() if name.endswith(".py")} == here


def test_the_wheel_carries_its_licence(contents: zipfile.ZipFile) -> None:
    assert "License-Expression: Apache-2.0" in text_of(contents, "METADATA")
    assert text_of(contents, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()
    assert "Apache License" in (ROOT / "LICENSE").read_text().splitlines()[1]


def test_the_wheel_has_the_version_of_the_programs(wheel: Path, contents: zipfile.ZipFile) -> None:
    assert f"\nVersion: {version()}\n" in text_of(contents, "METADATA")
    assert parse_wheel_filename(wheel.name)[1] == Version(version())


def test_all_commands_are_in_the_wheel(contents: zipfile.ZipFile) -> None:
    entries = text_of(contents, "entry_points.txt")
    assert re.findall(r"^(\S+) = (\S+)$", entries, re.MULTILINE) == list(PROJECT["scripts"].items())
    assert tuple(PROJECT["scripts"]) == PROGRAMS


def test_the_wheel_fits_the_python_that_built_it(wheel: Path, contents: zipfile.ZipFile) -> None:
    # With a compiled part its tag names interpreter and machine; the same wheel is pure where there is none.
    assert "Requires-Python: >=3.11" in text_of(contents, "METADATA")
    *_, tags = parse_wheel_filename(wheel.name)
    assert set(sys_tags()) & set(tags)


@pytest.mark.parametrize(("lock", "extras"), LOCKS.items(), ids=LOCKS)
def test_the_lock_satisfies_what_pyproject_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    have = pinned(lock)
    for wanted in required(extras):
        found = have.get(canonicalize_name(wanted.name))
        assert found is not None, f"{wanted.name} is missing in {lock}: make lock"
        assert found in SpecifierSet(str(wanted.specifier)), f"{wanted} is {found} in {lock}: make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_carries_hashes(lock: str) -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / lock).read_text())
    without = [block.split()[0] for block in blocks if "==" in block.split("\n")[0] and "--hash=sha256:" not in block]
    assert without == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-controller.lock"])
def test_development_runs_on_the_versions_that_are_shipped(lock: str) -> None:
    shipped, development = pinned(lock), pinned("requirements-dev.lock")
    assert {name: development.get(name) for name in shipped} == shipped


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_development_environment_runs_this_tree(program: str) -> None:
    argv = [Path(sys.executable).parent / program, "--version"]
    assert version() in subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def test_every_module_imported_is_declared() -> None:
    # Some are imported only when they are needed: a missing one would show on an operator's machine, not here.
    providers = packages_distributions()
    missing = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        extras = ("controller",) if path.is_relative_to(ROOT / "kun_cluster") else ()
        declared = {canonicalize_name(requirement.name) for requirement in required(extras)}
        for module in imported(path) - sys.stdlib_module_names - set(PACKAGES):
            if not declared & {canonicalize_name(name) for name in providers.get(module, ())}:
                missing[str(path.relative_to(ROOT))] = module
    assert missing == {}


def imported(path: Path) -> set[str]:
    """Top-level names of the modules a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.split(".")[0])
    return found
