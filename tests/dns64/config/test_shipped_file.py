"""The shipped file and the schema: every key, with its default."""

import json
import re
import tomllib
from ipaddress import IPv6Network
from pathlib import Path

from pydantic import BaseModel

from kun_base.follow_section import FollowSection
from kun_dns64.config.file import ClientSection, ConfigFile, PoolSection, TlsSection, ZoneSection
from kun_dns64.config.schema import json_schema

EXAMPLE = Path(__file__).parents[3] / "gateway-config" / "kun-dns64.toml"


def test_the_shipped_file_shows_every_key_with_its_default(tmp_path: Path) -> None:
    shown = tomllib.loads(re.sub(r"^#(?=[\w\[])", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    sections: dict[str, tuple[type[BaseModel], set[str]]] = {
        "zone": (ZoneSection, {"suffix"}),
        "client": (ClientSection, {"name", "networks"}),
        "pool": (PoolSection, {"name"}),
    }
    for name, (section, required) in sections.items():
        (entry,) = shown.pop(name)
        assert set(entry) == set(section.model_fields), name
        assert section.model_validate(entry) == section.model_validate({key: entry[key] for key in required}), name
    tls = shown["server"].pop("tls")
    assert set(tls) == set(TlsSection.model_fields)
    assert TlsSection.model_validate(tls).listen == TlsSection.model_validate({"certificate": "", "key": ""}).listen
    assert FollowSection.model_validate(shown.pop("follow")) == FollowSection()
    written = json.loads(ConfigFile().model_dump_json())
    del written["server"]["tls"], written["follow"]
    for key in ("zone", "pool", "client"):
        del written[key]
    # Python 3.13 writes ::ffff:0:0/96 as ::ffff:0.0.0.0/96 (RFC 5952 section 5).
    for side in (shown, written):
        side["dns64"]["exclude_aaaa"] = list(map(IPv6Network, side["dns64"]["exclude_aaaa"]))
    assert shown == written


def test_the_schema_gives_defaults_as_they_are_written() -> None:
    schema = json_schema()
    assert schema["$defs"]["ServerSection"]["properties"]["listen"]["default"] == ["127.0.0.1:5353", "[::1]:5353"]
    assert schema["additionalProperties"] is False
    assert "null" not in json.dumps(schema["$defs"]["Dns64Section"])
