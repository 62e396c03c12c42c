"""The shipped examples for log collectors, and the index templates, against the fields that the programs write."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kun_base.journal import Journal
from kun_base.plain_json import one_line
from kun_nat64.formats.elastic_common_schema import EcsLines
from kun_nat64.model.audit import Record
from kun_nat64.model.clients import Client
from kun_nat64.model.joolfacts import Protocol
from tests.nat64.audit.flows import POOL6, PUBLIC, flow, session

LOGS = Path(__file__).parents[2] / "gateway-config" / "logs"
UNITS = {"kun-dns64.service", "kun-nat64.service", "kun-controller.service"}
# Of the Elastic Common Schema 8.17 (elastic.co/guide/en/ecs): what we write has these types there.
ECS = {
    "@timestamp": "date", "event.kind": "keyword", "event.category": "keyword", "event.type": "keyword",
    "event.dataset": "keyword", "event.action": "keyword", "event.start": "date", "event.end": "date",
    "event.duration": "long", "network.transport": "keyword", "network.type": "keyword",
    "source.ip": "ip", "source.port": "long", "source.nat.ip": "ip", "source.nat.port": "long",
    "destination.ip": "ip", "destination.port": "long", "destination.nat.ip": "ip", "destination.nat.port": "long",
    "orchestrator.type": "keyword", "orchestrator.namespace": "keyword", "orchestrator.resource.name": "keyword",
    "orchestrator.resource.type": "keyword", "observer.name": "keyword", "observer.type": "keyword",
    "observer.product": "keyword", "observer.version": "keyword", "observer.ip": "ip", "ecs.version": "keyword",
    "service.name": "keyword", "log.level": "keyword", "host.name": "keyword", "message": "match_only_text",
}  # fmt: skip
OWN = {"kun_nat64.earliest_start": "date", "kun_nat64.tenant": "keyword", "kun": "flattened"}
RECORD = Record(flow(session()), 1.0, 2.0, 3.0, 1, Client("team", "shop", "web-1"))


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}" if path else name)
    else:
        yield path


def mapped(name: str) -> dict[str, str]:
    template = json.loads((LOGS / f"index-template-{name}.json").read_text())
    assert template["data_stream"] == {}

    def fields(properties: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
        for key, each in properties.items():
            inner = f"{path}.{key}" if path else key
            if "properties" in each:
                yield from fields(each["properties"], inner)
            else:
                yield inner, each["type"]

    return dict(fields(template["template"]["mappings"]["properties"]))


def filebeat() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((LOGS / "filebeat.yml").read_text())
    return found


def vector() -> dict[str, Any]:
    return tomllib.loads((LOGS / "vector.toml").read_text())


@pytest.mark.parametrize("name", ["session", "programs"])
def test_what_is_mapped_has_the_type_of_the_common_schema(name: str) -> None:
    known = ECS | OWN
    assert {field: kind for field, kind in mapped(name).items() if known.get(field) != kind} == {}


def test_every_field_of_the_session_log_is_mapped_and_nothing_else() -> None:
    lines = EcsLines("gw1", PUBLIC, POOL6, "1.0")
    written = {*leaves(json.loads(lines.ended(RECORD))), *leaves(json.loads(lines.started(RECORD)))}
    assert written == mapped("session").keys()


def test_every_field_of_the_programs_is_mapped(capsys: pytest.CaptureFixture[str]) -> None:
    """As the rename processor of the example has it."""
    Journal("kun-nat64", as_json=True).warning("target", target="icmp://192.0.2.1", was="up")
    decoded = {"kun": json.loads(capsys.readouterr().err)}
    (renames,) = [one["rename"]["fields"] for one in filebeat()["filebeat.inputs"][1]["processors"] if "rename" in one]
    for one in renames:
        assert decoded["kun"].pop(one["from"].removeprefix("kun."))
    written = {"@timestamp", "message", "host.name", "kun", *(one["to"] for one in renames)}
    assert written == mapped("programs").keys()
    assert decoded["kun"].keys() - {"time"} == {"target", "was"}


def test_both_collectors_read_the_same_files_and_units_and_write_to_the_templates() -> None:
    sessions, programs = filebeat()["filebeat.inputs"]
    units = {
        match.removeprefix("_SYSTEMD_UNIT=") for one in programs["include_matches"]["or"] for match in one["match"]
    }
    other = vector()
    assert units == set(other["sources"]["journal"]["include_units"]) == UNITS
    assert sessions["paths"] == other["sources"]["sessions"]["include"]
    for place, sink, template in ((sessions, "sessions", "session"), (programs, "programs", "programs")):
        stream = other["sinks"][sink]["data_stream"]
        index = f"{stream['type']}-{stream['dataset']}-{stream['namespace']}"
        assert place["index"] == index
        (pattern,) = json.loads((LOGS / f"index-template-{template}.json").read_text())["index_patterns"]
        assert re.fullmatch(pattern.replace("*", ".*"), index)


def test_the_session_log_is_where_the_shipped_file_puts_it() -> None:
    shipped = tomllib.loads((LOGS.parent / "kun-nat64.toml").read_text())
    assert filebeat()["filebeat.inputs"][0]["paths"] == [shipped["nat64"]["session_log"]]


def test_vector_renames_what_filebeat_renames() -> None:
    (renames,) = [one["rename"]["fields"] for one in filebeat()["filebeat.inputs"][1]["processors"] if "rename" in one]
    found = re.findall(
        r"^\s+\.([\w.]+) = del\(fields\.(\w+)\)$", vector()["transforms"]["program"]["source"], re.MULTILINE
    )
    assert set(found) == {(one["to"], one["from"].removeprefix("kun.")) for one in renames}
    inputs = {name for kind in ("sources", "transforms") for name in vector()[kind]}
    used = [name for kind in ("transforms", "sinks") for one in vector()[kind].values() for name in one["inputs"]]
    assert set(used) <= inputs


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError


TEXT = st.text(st.characters())  # halves of surrogate pairs, control characters, line ends
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary() | st.builds(Unspeakable),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.integers(), inner, max_size=4),
    max_leaves=12,
)


def is_strict_json(line: str) -> Any:
    """As a reader that takes RFC 8259 by its word."""

    def refused(word: str) -> None:
        raise AssertionError(word)

    assert line.isascii()
    assert "\n" not in line
    value = json.loads(line, parse_constant=refused)
    json.dumps(value, ensure_ascii=False).encode()  # no half of a surrogate pair
    return value


@given(fields=st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), VALUE, max_size=5), event=TEXT)
def test_every_line_of_a_program_is_json_whatever_is_in_it(fields: dict[str, Any], event: str) -> None:
    written: list[str] = []

    class Stream:
        def write(self, text: str) -> None:
            written.append(text)

        def flush(self) -> None:
            return

    own = {key: value for key, value in fields.items() if key not in ("self", "level", "event")}
    Journal("kun-nat64", as_json=True, stream=Stream()).write("info", event, **own)
    (line,) = written
    assert line.endswith("\n")
    found = is_strict_json(line.removesuffix("\n"))
    assert found.keys() >= {"level", "event"} | {key for key, value in own.items() if value is not None}


@given(VALUE)
def test_any_value_is_one_line(value: Any) -> None:
    is_strict_json(one_line(value))


@given(tenant=TEXT, namespace=TEXT, pod=TEXT, gateway=TEXT, version=TEXT, protocol=st.sampled_from(Protocol))
def test_every_line_of_the_session_log_is_json_whatever_the_names_are(
    tenant: str, namespace: str, pod: str, gateway: str, version: str, protocol: Protocol
) -> None:
    record = replace(RECORD, flow=flow(session(protocol=protocol)), client=Client(tenant, namespace, pod))
    lines = EcsLines(gateway, PUBLIC, POOL6, version)
    for line in lines.lines((record,), (record,)):
        found = is_strict_json(line)
        assert {*leaves(found)} <= mapped("session").keys()
