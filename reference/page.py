"""docs/reference.md as a whole."""

import json
from collections.abc import Iterator

from kun_dns64.config.file import ConfigFile as Dns64File
from kun_dns64.config.schema import json_schema
from kun_nat64.config.file import ConfigFile as Nat64File
from kun_nat64.config.load import schema as nat64_schema
from reference.commands import command_pages
from reference.json_fields import json_tables
from reference.keys import key_tables
from reference.observability import event_tables, metric_tables

HEAD = """# Reference

`make reference` writes this page from the code. Names of keys, flags, metrics, log events and JSON fields
stay; a renamed key works under its old name for a release and warns. Texts may change. CHANGELOG.md has every change.
"""


def render() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    yield "## Keys of kun-dns64.toml"
    yield from key_tables(Dns64File, json_schema())
    yield ""
    yield "## Keys of kun-nat64.toml"
    yield from key_tables(Nat64File, json.loads(nat64_schema()))
    yield from command_pages()
    yield from json_tables()
    yield from metric_tables()
    yield from event_tables()
