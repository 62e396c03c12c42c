"""The README's table "Where do I change…" names files that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("kun_base", "kun_dns64", "kun_nat64", "kun_cluster")


def named_files() -> list[tuple[str, str]]:
    """Each file the table names, with its row's first word; a bare name stands in the folder of the one before."""
    table = (ROOT / "README.md").read_text().split("### Where do I change…")[1].split("\n## ")[0]
    found = []
    for row in table.splitlines():
        folder = ""
        for name in re.findall(r"`([\w/]+\.(?:py|pyx))`", row):
            if name.split("/")[0] in PACKAGES or name.startswith("lab/"):
                folder, path = name.rpartition("/")[0], name
            elif "/" in name:
                path = f"{folder.split('/')[0]}/{name}"
                folder = path.rpartition("/")[0]
            else:
                path = f"{folder}/{name}"
            found.append((row.split("|")[1].strip(), path))
    return found


def test_every_file_of_the_table_exists() -> None:
    named = named_files()
    assert len(named) > 40
    missing = [(row, path) for row, path in named if not (ROOT / path).is_file() and "config/file.py" not in path]
    assert not missing
