"""Every error of a file at once, each with its place."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from kun_base import tomlfile
from kun_base.errors import ConfigError


class Peer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    address: str
    hold_s: int = 3


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: int = 1
    peers: list[Peer] = []

    @field_validator("port")
    @classmethod
    def _port_is_real(cls, value: int) -> int:
        if not 0 < value < 65536:
            raise ValueError("a port is 1 to 65535")
        return value


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    server: Section = Section()


def faults_of(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        tomlfile.parse(text, File, "x.toml")
    assert str(caught.value).startswith(f"x.toml: {len(caught.value.faults)} error")
    return {fault.where: str(fault) for fault in caught.value.faults}


def test_all_errors_are_reported_at_once_with_their_key_paths() -> None:
    faults = faults_of("""
        [server]
        port = 70000
        pears = 1
        peers = [{ address = "a", hold = 1 }, { hold_s = "x" }]
    """)
    assert "70000" in faults["server.port"]
    assert "1 to 65535" in faults["server.port"]
    assert "did you mean 'peers'" in faults["server.pears"]
    assert "did you mean 'hold_s'" in faults["server.peers[0].hold"]
    assert "is required" in faults["server.peers[1].address"]
    assert "server.peers[1].hold_s" in faults


def test_an_unknown_key_with_nothing_near_lists_what_is_known() -> None:
    assert "known here: port, peers" in faults_of("[server]\nzzz = 1")["server.zzz"]


def test_text_that_is_not_toml_names_the_line() -> None:
    assert "line 1" in faults_of("= 3")["file"]


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        tomlfile.load(tmp_path / "none.toml", File)


def test_a_good_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text("[server]\nport = 53\n")
    assert tomlfile.load(path, File).server.port == 53


@pytest.mark.parametrize(
    ("text", "where", "wanted"),
    [
        ("server = 5", "server", "must be a table"),
        ("[server]\npeers = 5", "server.peers", "must be a list"),
        ("[server]\nport = 1.5", "server.port", "must be an integer"),
        ("[server]\npeers = [{ address = 5 }]", "server.peers[0].address", "must be text in quotes"),
    ],
)
def test_a_wrong_kind_of_value_is_told_in_words_of_the_file(text: str, where: str, wanted: str) -> None:
    assert wanted in faults_of(text)[where]


@pytest.mark.parametrize("depth", [50, 200, 300, 400, 5000])
@pytest.mark.parametrize("brackets", ["[]", "{}"], ids=["lists", "tables"])
def test_brackets_nested_too_deep_are_a_config_error(depth: int, brackets: str) -> None:
    opening, closing = ("[", "]") if brackets == "[]" else ("{a=", "}")
    found = faults_of(f"[server]\nzzz = {opening * depth}1{closing * depth}")
    assert found.keys() <= {"file", "server.zzz"}


def test_a_path_that_no_file_can_have_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        tomlfile.load(Path("/etc/a\0b"), File)
