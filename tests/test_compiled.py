"""Compiled modules are those of the sources: what is edited must be built before it is tested (`make venv`)."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from kun_dns64.fastpath import selection as compiled

ROOT = Path(__file__).parent.parent
MODULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]


def built(name: str) -> list[Path]:
    place = ROOT.joinpath(*name.split("."))
    return list(place.parent.glob(f"{place.name}.*.so"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module["name"]))
def test_what_is_built_is_no_older_than_its_sources(module: dict[str, list[str]]) -> None:
    made = built(str(module["name"]))
    if not made:
        pytest.skip(f"{module['name']} is not compiled (make venv does it, where there is a compiler)")
    newest = max((ROOT / source).stat().st_mtime for source in module["sources"] + module.get("depends", []))
    assert min(path.stat().st_mtime for path in made) >= newest, "run make venv: the compiled module is a stale one"


def test_every_part_of_a_compiled_module_is_named_in_pyproject() -> None:
    named = {part for module in MODULES for part in module["sources"] + module.get("depends", [])}
    there = {
        str(path.relative_to(ROOT)) for kind in ("*.pyx", "*.pxi", "*.pxd") for path in (ROOT / "kun_dns64").rglob(kind)
    }
    assert {part for part in named if not part.endswith(".py")} == there


def test_a_rule_with_one_source_has_its_types_beside_it() -> None:
    rules = [source for module in MODULES for source in module["sources"] if source.endswith(".py")]
    assert rules
    for source in rules:
        assert (ROOT / source).with_suffix(".pxd").exists()
        assert not (ROOT / source).with_suffix(".pyx").exists()


TWIN = re.compile(r"^Twin: (.+)\.$", re.MULTILINE)


def twins(path: Path) -> set[str]:
    found = TWIN.search(path.read_text())
    return set(found[1].split(", ")) if found else set()


def test_what_exists_twice_names_its_twin_at_both_ends() -> None:
    package = ROOT / "kun_dns64"
    named = {str(path.relative_to(package)): twins(path) for path in package.rglob("*.p*") if path.suffix != ".pyc"}
    named = {name: others for name, others in named.items() if others}
    compiled = {str(path.relative_to(package)) for kind in ("*.pyx", "*.pxi") for path in package.rglob(kind)}
    assert compiled - set(named) == set(), "without the name of a twin"
    for name, others in named.items():
        for other in others:
            assert name in named[other], f"{other} does not name {name}"


def test_the_compiled_layout_is_the_python_one_or_nothing_is_imported() -> None:
    stores = pytest.importorskip("kun_dns64.fastpath.stores")
    stores.check_layout(**stores.LAYOUT)
    for name, value in stores.LAYOUT.items():
        with pytest.raises(ImportError, match=f"{name} is {value} in fastpath/layout.pxd"):
            stores.check_layout(**{**stores.LAYOUT, name: value + 1})


def test_every_compiled_module_is_known_to_the_one_place_that_decides() -> None:
    assert set(compiled.MODULES) == {module["name"] for module in MODULES}
    deciding = [path for path in (ROOT / "kun_dns64").rglob("*.py") if "KUN_PURE_PYTHON" in path.read_text()]
    assert deciding == [ROOT / "kun_dns64" / "fastpath" / "selection.py"]


# As on a machine where one of the modules did not compile.
WITHOUT = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
name = sys.argv[1]
source = Path(name.replace(".", "/") + ".py")
sys.modules[name] = None
if source.exists():
    spec = spec_from_file_location(name, source)
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
from kun_dns64.fastpath.selection import PLAIN, choose_parts
assert choose_parts() is PLAIN
assert not PLAIN.compiled
"""


@pytest.mark.parametrize("missing", compiled.MODULES)
def test_without_one_compiled_module_none_is_used(missing: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, missing], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
