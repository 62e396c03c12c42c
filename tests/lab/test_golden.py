"""What the tools of the running guest print is what the captured files hold that the unit tests read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kun_nat64.formats import iptables, joolcsv
from kun_nat64.formats.versions import TESTED
from kun_nat64.model.facts import Family
from lab.api import Lab
from lab.golden import GATEWAY, VERSIONS, capture, version_of

pytestmark = pytest.mark.both_debians
CAPTURED = Path(__file__).parent.parent / "nat64" / "formats" / "golden"


@pytest.fixture(scope="module")
def answers(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    if lab.guest.image.debian.version not in {release.debian for release in TESTED}:
        pytest.skip("this machine's guest is Debian sid: nothing was captured of it")
    return capture(lab, tmp_path_factory.mktemp("golden"))


def test_the_guest_has_the_versions_that_are_called_tested(lab: Lab) -> None:
    release = next((each for each in TESTED if each.debian == lab.guest.image.debian.version), None)
    if release is None:
        pytest.skip("this machine's guest is Debian sid: its versions change every day")
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
    """What does not depend on the traffic, the counters and the rules of the moment."""
    for part, read in FORMS.items():
        if part in name:
            return read(text)
    return text if name.startswith("jool") else bool(text)


def first_line(text: str) -> str:
    return text.split("\n", 1)[0]


# The first name that fits; what is not here is compared as it is (Jool's complaints) or is only to be there.
FORMS: dict[str, Callable[[str], object]] = {
    "jool-instance": first_line,
    "-global.csv": lambda text: sorted(joolcsv.parse_globals(text)),
    "-stats-all.csv": lambda text: sorted(joolcsv.parse_stats(text)),
    ".csv": first_line,
    "-ip6tables-save": lambda text: iptables.parse_save(text, Family.IPV6).nftables,
    "-iptables-save": lambda text: iptables.parse_save(text, Family.IPV4).nftables,
    "orphan-reset.json": lambda text: list(json.loads(text)),
}
