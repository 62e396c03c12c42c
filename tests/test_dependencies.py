"""Every dependency of the programs is imported by one of them; what only tests need is a development dependency."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("kun_base", "kun_dns64", "kun_nat64", "kun_cluster")
# Where the module is not called as the package is.
MODULES = {"dnspython": "dns", "prometheus-client": "prometheus_client", "pyyaml": "yaml"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = [name for extra, names in PROJECT["optional-dependencies"].items() if extra != "dev" for name in names]


def imported() -> set[str]:
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("requirement", [*PROJECT["dependencies"], *EXTRAS])
def test_a_runtime_dependency_is_imported(requirement: str) -> None:
    name = re.split(r"[<>=!~\[; ]", requirement)[0].lower()
    assert MODULES.get(name, name.replace("-", "_")) in imported()
