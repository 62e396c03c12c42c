"""What the tools of the running guest print is what the captured files hold that the unit tests read."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kun_nat64.formats import gobgpapi, iptables, joolcsv
from kun_nat64.formats.versions import TESTED
from kun_nat64.model.facts import Family
from lab.api import Lab
from lab.golden import GATEWAY, VERSIONS, capture, version_of

pytestmark = pytest.mark.both_debians
CAPTURED = Path(__file__).parent.parent / "nat64" / "formats" / "golden"


@pytest.fixture(scope="module")
def answers(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return capture(lab, tmp_path_factory.mktemp("golden"))


def test_the_guest_has_the_versions_that_are_called_tested(lab: Lab) -> None:
    (release,) = [release for release in TESTED if release.debian == lab.guest.image.debian.version]
    kernel = lab.output(GATEWAY, "uname", "-r")
    assert kernel.startswith(f"{release.kernel}.")
    assert {tool: version_of(lab, tool, option) for tool, option in VERSIONS.items()} == {
        tool: release.of(tool) for tool in VERSIONS
    }


def test_every_answer_has_a_captured_file_of_the_same_version(answers: list[Path]) -> None:
    missing = [path.name for path in answers if not (CAPTURED / path.name).exists()]
    assert not missing, "capture them with `python -m lab golden tests/nat64/formats/golden`"


def test_every_answer_has_the_form_of_the_captured_one(answers: list[Path]) -> None:
    differing = {
        path.name: (form(path.name, path.read_text()), form(path.name, (CAPTURED / path.name).read_text()))
        for path in answers
    }
    assert {name: pair for name, pair in differing.items() if pair[0] != pair[1]} == {}


def form(name: str, text: str) -> object:
    """What does not depend on the traffic, the addresses and the rules of the moment."""
    if name.endswith(".json"):
        return sorted(set(keys(json.loads(text)))) if "nft" not in name else list(json.loads(text))
    if "global.csv" in name:
        return sorted(joolcsv.parse_globals(text))
    if "stats-all" in name:
        return sorted(joolcsv.parse_stats(text))
    if name.endswith(".csv"):
        return text.split("\n", 1)[0]
    if "tables-save" in name:
        return iptables.parse_save(text, Family.IPV6 if "ip6" in name else Family.IPV4).nftables
    if name.endswith("peers.hex"):
        return {gobgpapi.read_peer(bytes.fromhex(line)).state for line in text.splitlines()}
    if name.startswith("jool"):
        return text
    return bool(text)


def keys(value: object, path: str = "") -> Iterator[str]:
    """Yield the path of every key; what lists hold counts once. Names that are prefixes are left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            name = "PREFIX" if "/" in key else key
            yield f"{path}.{name}"
            yield from keys(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, f"{path}[]")
