"""What a start does not load: it costs time before the first answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dns64.app.running import toml

# As `kun-dns64 serve --config FILE` begins, up to the sockets.
START = """
import json, sys
import kun_dns64.cli.main
from kun_dns64.cli.serve_flags import read_flags
import kun_dns64.processes.serve
source = read_flags(["--config", sys.argv[1]])
assert source is not None
assert source.settings().workers == 1
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    config: Path = tmp_path_factory.mktemp("start") / "kun-dns64.toml"
    config.write_text(
        toml(5300, 5301, 5302, 1, {"[[pool]]": 'name = "far"\nvip = "203.0.113.129"\ndomains = ["a.org"]'})
    )
    command = [sys.executable, "-W", "error", "-c", START, str(config)]
    return set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("aiohttp", "the admin pages come after the first answers"),
        ("typer", "a plain `serve` is read by serve_flags.py"),
        ("rich", "nothing is printed for people"),
        ("dns", "only explanations need dnspython"),
        ("prometheus_client", "only /metrics needs it"),
        ("pyroute2", "only the gateway agent needs it"),
        ("h2", "only the gateway agent needs it"),
        ("email", "pydantic's search for plugins would bring it"),
        ("importlib.metadata", "pydantic's search for plugins would bring it"),
    ],
)
def test_a_start_does_not_load(loaded: set[str], module: str, why: str) -> None:
    assert module not in loaded, why
    assert "pydantic" in loaded, "the list is of a start that read its file"
