"""The bundle's commands: filled with the file, and with the way to the speaker that the file names."""

from pathlib import Path

import pytest

from kun_nat64.cli.support_bundle import OF_SPEAKER, _filled, _speaker
from kun_nat64.model.speakers import SPEAKERS
from tests.nat64.conftest import SHIPPED


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (SHIPPED.read_text(), ("--target", "unix:///run/gobgpd/api.sock")),
        ('[bgp]\napi = "127.0.0.1:50051"\n', ("--host", "127.0.0.1", "--port", "50051")),
        ("broken [", ("--target", "unix:///run/gobgpd/api.sock")),
    ],
    ids=["shipped", "tcp", "broken"],
)
def test_gobgp_is_asked_where_its_api_is(text: str, options: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "gw.toml"
    file.write_text(text)
    assert _filled(("gobgp", "API", "neighbor"), file) == ("gobgp", *options, "neighbor")
    assert _filled(("kun-nat64", "plan", "--config", "CONFIG"), file)[-1] == str(file)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('[bgp]\nspeaker = "frr"\n', ("--vty_socket", "/run/frr")),
        ('[bgp]\nspeaker = "bird"\napi = "unix:///srv/bird.ctl"\n', ("-s", "/srv/bird.ctl")),
    ],
)
def test_other_speakers_are_asked_by_their_own_commands(text: str, options: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "gw.toml"
    file.write_text(text)
    speaker = _speaker(file)
    for argv in OF_SPEAKER[speaker].values():
        assert _filled(argv, file)[:3] == (SPEAKERS[speaker].command, *options)
