"""docs/kubernetes.md, "The table and its stream": read by a second reader that knows only the document."""

import hashlib
import json
import re
from pathlib import Path

from kun_cluster.cli.compile import snapshot
from kun_cluster.formats.record_text import version_of
from kun_cluster.formats.stream_lines import PER_LINE, remove_lines, set_lines
from kun_cluster.model.table import Client, Table
from tests.controller.objects import dedicated, gateway, live, pod, pool

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "kubernetes.md").read_text()


def version_by_the_document(lines: list[str]) -> str:
    total = 0

    def add(text: str) -> None:
        nonlocal total
        total += int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")

    for line in map(json.loads, lines):
        match line["type"]:
            case "pool" | "gateway" | "class":
                value = json.dumps(line["value"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                add(f"{line['type']}\t{line['name']}\t{value}")
            case "clients":
                for network, name in line["entries"]:
                    add(f"client\t{network}\t{line['class']}\t{line['namespace']}\t{name}")
    return f"{total % 2**128:032x}"


def example() -> Table:
    return live(
        pool(networks="192.0.2.0/28", is_default=True, domains=("bücher.example",)),
        gateway(),
        dedicated(),
        pod("web-0", "2002:a01:2:1::10"),
        pod("web-1", "2002:a01:2:1::11 10.1.2.3"),
        pod("other", "2002:a01:2:1::12", namespace="team-01", ipv4_enabled="true"),
    ).table()


def test_the_version_is_the_sum_the_document_describes() -> None:
    lines = snapshot(example(), 0.0)
    assert version_by_the_document(lines) == version_of(example()) == json.loads(lines[-1])["version"]
    assert version_of(Table()) == "0" * 32


def test_a_snapshot_is_one_change_with_its_counts() -> None:
    first, *middle, last = [json.loads(line) for line in snapshot(example(), 1.0)]
    assert first == {
        "type": "begin", "format": 1, "change": "snapshot", "from": "", "view": "all", "cluster": "",
    }  # fmt: skip
    assert {line["type"] for line in middle} == {"pool", "gateway", "class", "clients"}
    assert last["counts"]["client"] == sum(len(line.get("entries", ())) for line in middle) == 4
    assert last["at"] == "1970-01-01T00:00:01Z"


def test_every_field_of_a_record_is_in_the_document() -> None:
    for line in map(json.loads, snapshot(example(), 0.0)):
        for name in line.get("value", ()):
            assert re.search(rf"^\| `{name}` \|", DOCUMENT, re.MULTILINE), name


def test_clients_share_lines_of_five_hundred() -> None:
    entries = [("client", f"2002::{number:x}", Client("default", "team-00", f"p{number}")) for number in range(1, 1102)]
    lines = [json.loads(line) for line in set_lines(entries)]
    assert [len(line["entries"]) for line in lines] == [500, 500, 101]
    assert all(len(line) < 1 << 20 for line in map(json.dumps, lines))
    removed = [json.loads(line) for line in remove_lines([("client", key) for _, key, _ in entries] + [("pool", "a")])]
    assert sum(len(line.get("clients", ())) + len(line.get("pools", ())) for line in removed) == 1102
    assert max(len(line.get("clients", ())) + len(line.get("pools", ())) for line in removed) == PER_LINE
