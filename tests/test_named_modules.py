"""Modules that comments, docstrings and documents name exist: what was renamed is renamed there, too."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("kun_base", "kun_dns64", "kun_nat64", "kun_cluster")
KINDS = {".py", ".pyx", ".pxi", ".pxd", ".pyi"}
MODULE = re.compile(r"(?<![\w./*{-])((?:[\w-]+/)*[\w-]+\.(?:py|pyx|pxi|pxd))\b(?![\w(*])")


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in KINDS]


def test_every_module_that_is_named_exists() -> None:
    there = [f"/{path.relative_to(ROOT)}" for folder in (*PACKAGES, "lab", "bench", "tests", "packaging", "reference",
             "gateway-config", "vagrant") for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]  # fmt: skip
    ends = {path[place:] for path in (*there, "/setup.py") for place, one in enumerate(path) if one == "/"}
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (*sources(), *documents)
        for name in MODULE.findall(path.read_text())
        if f"/{name}" not in ends
    ]
    assert len(ends) > 500
    assert missing == []
