"""The bundle's commands: filled with the file, and with the way to the speaker that the file names."""

import asyncio
import json
import tarfile
from functools import partial
from pathlib import Path

import pytest

from kun_nat64.cli.support_bundle import OF_SPEAKER, _filled, _speaker, make_bundle
from kun_nat64.model.speakers import SPEAKERS
from tests.nat64.admin.three_gateways import Gateways, gateways
from tests.nat64.conftest import SHIPPED

__all__ = ["gateways"]


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


async def test_the_bundle_has_status_metrics_and_no_secrets_and_sessions_only_if_asked(
    gateways: Gateways, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # commands of the machine are not to be had
    config = tmp_path / "gw.toml"
    config.write_text(SHIPPED.read_text() + '\n[x]\npassword = "hunter2"\n')
    for sessions, path in (("", tmp_path / "a.tar.gz"), ("kun", tmp_path / "b.tar.gz")):
        make = partial(make_bundle, config, tmp_path / "gw1", path, sessions=sessions, as_json=True)
        assert await asyncio.to_thread(make) == 0
        with tarfile.open(path) as tar:
            files = {member.name.partition("/")[2]: tar.extractfile(member) for member in tar}
            texts = {name: file.read().decode() for name, file in files.items() if file is not None}
        assert ("sessions.csv" in texts) == bool(sessions)
        assert json.loads(texts["status.json"])["name"] == "gw1"
        assert "kun_nat64_announced 1.0" in texts["metrics.txt"]
        assert "hunter2" not in "".join(texts.values())
        assert {"plan.txt", "routes.txt", "jool-instances.txt", "bgp-rib.txt", "journal.txt"} <= texts.keys()
