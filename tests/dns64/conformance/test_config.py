"""The rows of cases_config.py through `check-config`, all in one run of the interpreter, and the command itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.ports import free_port

from .cases_config import ROWS, ConfigRow
from .configs import plain
from .server import command, to_toml

Outcome = tuple[int, str]

# Starting an interpreter for each of the rows would cost half a minute; the console script does exactly this.
MANY = """
import json, os, sys
from kun_dns64.cli.main import main
out = {}
for path in sys.argv[1:]:
    with open(path + ".out", "w+") as sink:
        kept = os.dup(1), os.dup(2)
        sys.stdout.flush(), sys.stderr.flush()
        os.dup2(sink.fileno(), 1), os.dup2(sink.fileno(), 2)
        sys.argv = ["kun-dns64", "check-config", path]
        try:
            status = main()
        except SystemExit as end:
            status = end.code
        sys.stdout.flush(), sys.stderr.flush()
        os.dup2(kept[0], 1), os.dup2(kept[1], 2)
        os.close(kept[0]), os.close(kept[1])
        sink.seek(0)
        out[path] = [status or 0, sink.read()]
json.dump(out, sys.stdout)
"""


def _text(row: ConfigRow) -> str:
    if isinstance(row.config, str):
        return row.config
    return to_toml(row.config).replace('"udp://ONE"', '"udp://127.0.0.1:5300"')


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """Exit status and output for each row."""
    directory = tmp_path_factory.mktemp("config")
    files = {row.id: directory / f"{number}.toml" for number, row in enumerate(ROWS)}
    for row in ROWS:
        files[row.id].write_text(_text(row))
    done = subprocess.run(
        [sys.executable, "-c", MANY, *map(str, files.values())],
        capture_output=True, text=True, timeout=120, check=False, env={"COLUMNS": "500", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {name: (status, text) for name, path in files.items() for status, text in [found[str(path)]]}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_file_is_judged_rightly(row: ConfigRow, outcomes: Mapping[str, Outcome]) -> None:
    status, text = outcomes[row.id]
    assert "Traceback" not in text
    assert status == (2 if row.complaints else 0), text
    missing = [word for word in row.complaints if word not in text]
    assert not missing, f"{missing} not named in:\n{text}"


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command(), *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False)


def test_serve_refuses_a_bad_file_with_status_2_and_every_error_on_stderr(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(to_toml(plain(dns64={"vip": "10.9.8.7"}, server={"workers": -3})))
    done = _run("serve", "--config", file)
    assert done.returncode == 2
    assert "10.9.8.7" in done.stderr
    assert "server.workers" in done.stderr


def test_a_missing_file_is_status_2_and_named(tmp_path: Path) -> None:
    done = _run("check-config", tmp_path / "nowhere.toml")
    assert done.returncode == 2
    assert "nowhere.toml" in done.stderr


def test_a_good_file_is_status_0(tmp_path: Path) -> None:
    file = tmp_path / "good.toml"
    port = free_port("127.0.0.1")
    file.write_text(to_toml(plain(upstream={"servers": [f"udp://127.0.0.1:{port}"]})))
    assert _run("check-config", file).returncode == 0


REPOSITORY = Path(__file__).parents[3]


def _documented() -> list[tuple[str, str]]:
    """Every TOML example about kun-dns64 in the documentation, and the annotated file operators copy."""
    found = [("gateway-config/kun-dns64.toml", (REPOSITORY / "gateway-config/kun-dns64.toml").read_text())]
    for page in [
        REPOSITORY / "README.md",
        *REPOSITORY.glob("docs/**/*.md"),
        *REPOSITORY.glob("gateway-config/**/*.md"),
    ]:
        blocks = re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        mine = [block for block in blocks if "[gateway]" not in block and re.search(OURS, block, re.MULTILINE)]
        found += [(f"{page.relative_to(REPOSITORY)}-{number}", block) for number, block in enumerate(mine)]
    return found


OURS = r"^\[+(server|admin|upstream|cache|dns64|zone|pool|client)\b"
NAMED_FILES = r'"[\w./-]+\.(txt|crt|key|pem)"'


@pytest.mark.parametrize(("where", "text"), _documented(), ids=lambda value: value if "\n" not in value else "")
def test_c221_every_documented_example_is_accepted(where: str, text: str, tmp_path: Path) -> None:
    for name in {found.group().strip('"') for found in re.finditer(NAMED_FILES, text)}:
        (tmp_path / Path(name).name).write_text("example.org\n")
        text = text.replace(f'"{name}"', f'"{tmp_path / Path(name).name}"')
    file = tmp_path / "example.toml"
    file.write_text(text)
    done = _run("check-config", file)
    assert done.returncode == 0, f"{where}:\n{done.stderr}"
