"""[bgp] speaker, and the places that follow from it."""

from collections.abc import Callable
from typing import Any

import pytest

from kun_nat64.config.load import old_names
from kun_nat64.model.spec import AgentSpec


@pytest.mark.parametrize(
    ("name", "speaker", "api", "daemon_file", "paths_file"),
    [
        ("gobgp", "gobgp", "unix:///run/gobgpd/api.sock", "/etc/kun/gobgpd.conf", ""),
        ("gobgp-cli", "gobgp", "unix:///run/gobgpd/api.sock", "/etc/kun/gobgpd.conf", ""),
        ("frr", "frr", "unix:///run/frr", "/etc/kun/frr.conf", ""),
        ("bird", "bird", "unix:///run/bird/bird.ctl", "/etc/kun/bird.conf", "/run/kun-nat64/bird.conf"),
    ],
)
def test_each_speaker_has_its_usual_places(
    name: str, speaker: str, api: str, daemon_file: str, paths_file: str, spec_with: Callable[..., AgentSpec]
) -> None:
    bgp = spec_with(bgp={"speaker": name}).bgp
    assert (bgp.speaker, bgp.api, bgp.daemon_file, bgp.paths_file) == (speaker, api, daemon_file, paths_file)


def test_places_that_the_file_names_win(spec_with: Callable[..., AgentSpec]) -> None:
    own = {"speaker": "bird", "api": "/srv/bird.ctl", "paths_file": "/srv/kun/paths.conf"}
    bgp = spec_with(bgp=own).bgp
    assert (bgp.api, bgp.paths_file) == ("unix:///srv/bird.ctl", "/srv/kun/paths.conf")


def test_the_old_name_of_a_speaker_is_noted(
    shipped_data: dict[str, Any], changed: Callable[..., dict[str, Any]]
) -> None:
    assert old_names(changed("bgp")) == ()
    (note,) = old_names(changed("bgp", speaker="gobgp-cli"))
    assert "bgp.speaker = 'gobgp-cli'" in note
    assert "'gobgp'" in note
