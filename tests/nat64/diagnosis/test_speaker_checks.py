"""What `doctor` says of each speaker, with the command that mends it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kun_nat64.model.errors import FailureKind
from kun_nat64.model.facts import Neighbour
from kun_nat64.model.inspection import Inspection, Level
from kun_nat64.model.speakers import SPEAKERS
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.speaker_checks import speaker_judged
from kun_nat64.policy.speaker_remedies import REMEDIES

UP = Neighbour("10.2.1.1", 65000, "established", True, 3, bfd="up", local_as=65001)
SpecWith = Callable[..., AgentSpec]


def judged(spec: AgentSpec, **found: object) -> list[tuple[Level, str, str, str]]:
    inspection = Inspection(kernel="6.1", **found)
    return [(one.level, one.check, one.words, one.remedy) for one in speaker_judged(inspection, spec)]


@pytest.mark.parametrize(
    ("speaker", "failure", "remedy"),
    [
        ("gobgp", FailureKind.UNREACHABLE, "systemctl start kun-gobgpd"),
        ("frr", FailureKind.UNREACHABLE, "`systemctl start frr`; bgpd=yes in /etc/frr/daemons"),
        ("frr", FailureKind.MISSING_TOOL, "apt install frr"),
        ("frr", FailureKind.PERMISSION, "SupplementaryGroups=frrvty"),
        ("bird", FailureKind.UNREACHABLE, "systemctl start bird"),
        ("bird", FailureKind.PERMISSION, "SupplementaryGroups=bird"),
    ],
)
def test_a_silent_speaker_is_named_with_what_lets_it_answer(
    speaker: str, failure: FailureKind, remedy: str, spec_with: SpecWith
) -> None:
    spec = spec_with(bgp={"speaker": speaker})
    ((level, check, words, said),) = judged(spec, neighbours=None, bgp_error="why", bgp_failure=failure)
    assert (level, check) == (Level.BAD, "BGP")
    assert words == f"{SPEAKERS[speaker].daemon} does not answer: why"
    assert remedy in said


@pytest.mark.parametrize(
    ("speaker", "line"), [("frr", "(`router bgp 65001`)"), ("bird", "(`local as 65001;`)"), ("gobgp", "gobgpd.conf")]
)
def test_a_peer_that_the_speaker_does_not_know_is_named_with_our_as(
    speaker: str, line: str, spec_with: SpecWith
) -> None:
    ((level, _, words, remedy),) = judged(spec_with(bgp={"speaker": speaker}), neighbours=())
    assert level is Level.BAD
    assert "does not know this peer" in words
    assert line in remedy


@pytest.mark.parametrize("speaker", ["frr", "bird"])
def test_a_speaker_of_another_as_is_named(speaker: str, spec_with: SpecWith) -> None:
    found = judged(spec_with(bgp={"speaker": speaker}), neighbours=(replace(UP, local_as=64999),))
    assert found[0][:2] == (Level.BAD, "BGP 10.2.1.1")
    assert "is AS 64999, [bgp] local_as is 65001" in found[0][2]


@pytest.mark.parametrize("speaker", sorted(SPEAKERS))
def test_a_peer_without_bfd_is_noted_with_what_it_costs(speaker: str, spec_with: SpecWith) -> None:
    spec = spec_with(bgp={"speaker": speaker})
    assert {level for level, *_ in judged(spec, neighbours=(UP,))} == {Level.GOOD}
    *_, (level, check, words, remedy) = judged(spec, neighbours=(replace(UP, bfd=""),))
    assert (level, check) == (Level.NOTE, "BFD 10.2.1.1")
    assert "the hold time of 3 s" in words
    assert "bfd" in remedy.lower()
    *_, (level, _, words, _) = judged(spec, neighbours=(replace(UP, bfd="down"),))
    assert level is Level.NOTE
    assert words.startswith("is down")


def test_every_speaker_has_a_remedy_for_every_fault_of_bgp() -> None:
    assert REMEDIES.keys() == SPEAKERS.keys()
    assert len({frozenset(of_one) for of_one in REMEDIES.values()}) == 1
