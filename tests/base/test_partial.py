"""What is left of a file when single values are wrong."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from kun_base import tomlfile
from kun_base.errors import ConfigError, Fault
from kun_base.partial import as_far_as_readable, entries, readable


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class Peer(Table):
    address: str
    hold_s: int = Field(default=3, ge=1)


class Section(Table):
    port: int = 1
    names: list[Annotated[str, Field(min_length=2)]] = Field(default=["aa"], min_length=1)
    peers: list[Peer] = []
    best: Peer | None = None


class File(Table):
    server: Section = Field(default_factory=Section)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"port": "1"}, "port"),
        ({"port": None}, "port"),
        ({"names": "aa"}, "names"),
        ({"names": []}, "names"),
        ({"peers": 5}, "peers"),
        ({"best": 5}, "best"),
    ],
    ids=str,
)
def test_what_is_wrong_is_not_there(data: dict[str, Any], key: str) -> None:
    part = readable({"server": data}, File).server
    others = set(Section.model_fields) - {key}
    assert all(hasattr(part, name) for name in others)
    with pytest.raises(AttributeError):
        getattr(part, key)


def test_what_is_right_is_there_also_in_tables_that_lack_something() -> None:
    part = readable({"server": {"peers": [{"hold_s": 5}, 7, {"address": "b", "zzz": 1}], "best": {"hold_s": 0}}}, File)
    assert [place for place, _ in entries(part.server.peers)] == [0, 2]
    first, _, third = part.server.peers
    assert first.hold_s == 5
    assert not hasattr(first, "address")
    assert (third.address, third.hold_s) == ("b", 3)
    assert not hasattr(part.server.best, "hold_s")
    assert part.server.port == 1


@pytest.mark.parametrize(
    ("names", "left"), [(["aa", "b", "cc", 4], ["aa", None, "cc", None]), (["b"], [None])], ids=str
)
def test_a_wrong_element_leaves_its_place(names: list[object], left: list[object]) -> None:
    assert readable({"names": names}, Section).names == left


def test_what_is_no_table_is_nothing() -> None:
    assert readable(5, Section) is None
    assert not hasattr(readable({"server": 5}, File), "server")


def test_checks_over_several_keys_are_told_beside_wrong_values_and_say_nothing_of_them() -> None:
    def cross(file: Any) -> list[Fault]:
        def of_port() -> Any:
            yield Fault("before", "", "is told")
            yield Fault("server.port", str(file.server.port), "is never told")

        def of_peers() -> Any:
            for place, peer in entries(file.server.peers):
                yield Fault(f"server.peers[{place}].hold_s", str(peer.hold_s), "is told too")

        return [fault for check in (of_port(), of_peers()) for fault in as_far_as_readable(check)]

    with pytest.raises(ConfigError) as caught:
        tomlfile.parse("[server]\nport = 'x'\n[[server.peers]]\nhold_s = 9", File, "x.toml", cross)
    told = [fault.where for fault in caught.value.faults]
    assert told == ["server.port", "server.peers[0].address", "before", "server.peers[0].hold_s"]
