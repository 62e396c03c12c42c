"""The bundle's commands: filled with the file, and with the way to the speaker that the file names."""

from pathlib import Path

import pytest

from kun_nat64.cli.support_bundle import _filled
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
