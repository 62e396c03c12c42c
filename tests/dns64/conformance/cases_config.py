# ruff: noqa: E501  (a row of a table is one line)
"""Section 11: configurations that must be refused, each with its legal neighbour, and the words the refusal must contain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .configs import plain, prefixes, without_dns64_prefix


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """`complaints` empty: the file is good. Else exit status 2, and every word is in the message. A str is a file verbatim."""

    number: str
    section: str
    title: str
    config: dict[str, Any] | str
    complaints: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.number}-{self.section}-{self.title}"


def bad_prefix(number: str, section: str, text: str) -> ConfigRow:
    title = "prefix-" + (text.replace("/", "_").replace(":", "-") or "empty")
    return ConfigRow(number, section, title, prefixes(text), ("dns64.prefixes", text))


def good_prefix(text: str) -> ConfigRow:
    return ConfigRow("c218", "rfc6052-2.2", "prefix-" + text.replace("/", "_").replace(":", "-"), prefixes(text))


def vip(text: str, **more: Any) -> dict[str, Any]:
    config = without_dns64_prefix()
    config["dns64"] = {"vip": text, **more}
    return config


def bad(number: str, title: str, key: str, value: Any, *words: str) -> ConfigRow:
    """One key with one wrong value."""
    table, name = key.split(".")
    return ConfigRow(number, "interface", title, plain(**{table: {name: value}}), (key, *words))


NON_GLOBAL_VIPS = (
    "10.0.0.1",
    "127.0.0.1",
    "192.88.99.1",
    "224.0.0.1",
    "172.16.0.1",
    "192.168.3.4",
    "169.254.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "240.0.0.1",
)
LOOP = plain(server={"listen": ["127.0.0.1:25353"]}, upstream={"servers": ["udp://127.0.0.1:25353"]})
WILDCARD_LOOP = plain(server={"listen": ["0.0.0.0:25353"]}, upstream={"servers": ["udp://127.0.0.1:25353"]})

ROWS = [
    ConfigRow("c210", "interface", "empty-file", ""),
    ConfigRow("c210a", "interface", "plain", plain()),
    bad_prefix("c211", "rfc6052-2.2", "::/0"),
    *(bad_prefix("c212", "rfc6052-2.2", text) for text in ("2001:db8::/33", "2001:db8::/72", "2001:db8::/80", "2001:db8::/88", "2001:db8::/97", "2001:db8::/128", "2001:d00::/31", "2001:db8::/95")),
    bad_prefix("c213", "rfc6052-2.2", "2001:db8:0:0:100::/96"),
    bad_prefix("c213a", "rfc6052-2.2", "2001:db8:1:2:ff00::/96"),
    bad_prefix("c214", "rfc4291-2.3", "2002:c633:6440::1/96"),
    bad_prefix("c214a", "rfc4291-2.3", "2001:db8:1::/32"),
    bad_prefix("c215", "rfc6052-2.2", "10.0.0.0/8"),
    bad_prefix("c215a", "rfc6052-2.2", "2001:db8::"),
    bad_prefix("c215b", "rfc6052-2.2", "2001:db8::/x"),
    bad_prefix("c215c", "rfc6052-2.2", "2001:db8::/129"),
    bad_prefix("c215d", "rfc6052-2.2", "prefix"),
    ConfigRow("c216", "interface", "vip-and-prefixes", plain(dns64={"prefixes": ["2001:db8::/96"]}), ("vip", "prefixes")),
    bad("c217", "clients-acl", "server.allow_clients", ["127.0.0.0/33"], "127.0.0.0/33"),
    bad("c217a", "host-bits-in-the-acl", "server.allow_clients", ["10.1.2.3/8"], "10.1.2.3/8"),
    bad("c217b", "word-in-the-acl", "server.allow_clients", ["everyone"], "everyone"),
    bad("c217c", "exclusion-list", "dns64.exclude_aaaa", ["::ffff:0:0/129"], "::ffff:0:0/129"),
    bad("c217d", "ipv4-in-the-exclusion-list", "dns64.exclude_aaaa", ["10.0.0.0/8"], "10.0.0.0/8"),
    bad("c217e", "never-embed", "dns64.never_embed", ["256.0.0.0/8"], "256.0.0.0/8"),
    bad("c217f", "ipv6-in-never-embed", "dns64.never_embed", ["2001:db8::/32"], "2001:db8::/32"),
    bad("c217g", "map-of-ipv6", "dns64.map", [{"ipv4": "2001:db8::/32", "prefix": "2001:db8:64::/96"}], "2001:db8::/32"),
    bad("c217h", "map-with-a-bad-prefix", "dns64.map", [{"ipv4": "10.0.0.0/8", "prefix": "2001:db8::/72"}], "2001:db8::/72"),
    bad("c217i", "map-without-prefix", "dns64.map", [{"ipv4": "10.0.0.0/8"}], "prefix"),
    ConfigRow("c217j", "interface", "client-networks", plain(client=[{"name": "x", "networks": ["10.0.0.0/64"]}]), ("client", "10.0.0.0/64")),
    ConfigRow("c217k", "interface", "client-of-an-unknown-pool", plain(client=[{"name": "x", "networks": ["10.0.0.0/8"], "pool": "nowhere"}]), ("client", "nowhere")),
    bad("c217m", "host-of-a-map-that-is-not-6to4", "dns64.map", [{"ipv4": "10.0.0.0/8", "prefix": "2001:db8:64::/96", "host": "1"}], "6to4"),
    bad("c217n", "unknown-host-of-6to4", "dns64.map", [{"ipv4": "10.0.0.0/8", "prefix": "6to4", "host": "2"}], "embed"),
    bad("c217o", "unknown-special-name", "server.special_names", ["onions"], "onion"),
    bad("c217p", "identity-too-long", "server.identity", "x" * 256, "255"),
    bad("c217l", "trusted-forwarders", "server.trust_ecs_from", ["10.0.0.0/40"], "10.0.0.0/40"),
    *(good_prefix(text) for text in ("2001:db8::/32", "2001:db8:100::/40", "2001:db8:122::/48", "2001:db8:122:300::/56", "2001:db8:122:344::/64", "2001:db8:122:344::/96", "64:ff9b::/96", "2002:c633:6440::/96")),
    ConfigRow("c218a", "rfc6147-5.2", "two-prefixes", prefixes("2001:db8::/32", "2001:db9::/96")),
    ConfigRow("c218b", "interface", "empty-lists", plain(dns64={"exclude_aaaa": [], "never_embed": [], "map": []})),
    ConfigRow("c218c", "interface", "map-to-none", plain(dns64={"map": [{"ipv4": "10.0.0.0/8", "prefix": "none"}]})),
    bad("c219", "vip-is-a-word", "dns64.vip", "gateway", "gateway"),
    bad("c219a", "vip-is-ipv6", "dns64.vip", "2001:db8::1", "2001:db8::1"),
    bad("c219b", "vip-is-a-network", "dns64.vip", "203.0.113.0/24", "203.0.113.0/24"),
    ConfigRow("c220", "interface", "upstream-is-oneself", LOOP, ("upstream.servers", "127.0.0.1:25353")),
    ConfigRow("c220a", "interface", "upstream-is-oneself-by-wildcard", WILDCARD_LOOP, ("upstream.servers", "127.0.0.1:25353")),
    bad("c222", "unknown-key", "server.lisen", ["127.0.0.1:5353"], "listen"),
    ConfigRow("c222a", "interface", "unknown-table", plain(servers={"listen": []}), ("servers", "server")),
    bad("c222b", "upstream-scheme", "upstream.servers", ["ftp://127.0.0.1"], "ftp://127.0.0.1"),
    bad("c222c", "upstream-without-address", "upstream.servers", ["udp://"], "udp://"),
    bad("c222d", "upstream-port", "upstream.servers", ["udp://127.0.0.1:70000"], "70000"),
    bad("c222e", "listen-without-port", "server.listen", ["127.0.0.1"], "127.0.0.1"),
    bad("c222f", "workers-negative", "server.workers", -1, "-1"),
    bad("c222g", "budget-zero", "server.budget_s", 0, "0"),
    bad("c222h", "payload-below-512", "server.udp_payload_max", 100, "100"),
    bad("c222i", "ptr-mode", "dns64.ptr_mode", "both", "both", "cname"),
    bad("c222j", "gateway-reaction", "dns64.on_gateway_down", "panic", "panic", "clamp-ttl"),
    ConfigRow("c222k", "interface", "zone-word", plain(zone=[{"suffix": "example", "dns64": "sometimes"}]), ("zone", "sometimes")),
    ConfigRow("c222l", "interface", "zone-without-suffix", plain(zone=[{"dns64": "never"}]), ("zone", "suffix")),
    ConfigRow("c222m", "interface", "pool-with-a-private-vip", plain(pool=[{"name": "p", "vip": "10.0.0.1", "domains": ["example"]}]), ("pool", "10.0.0.1")),
    ConfigRow("c222n", "interface", "two-pools-of-one-name", plain(pool=[{"name": "p", "vip": "203.0.113.129", "domains": ["a.example"]}, {"name": "p", "vip": "203.0.113.130", "domains": ["b.example"]}]), ("pool", "p")),
    ConfigRow("c222o", "interface", "pool-file-missing", plain(pool=[{"name": "p", "vip": "203.0.113.129", "domain_files": ["/nonexistent/list.txt"]}]), ("pool", "/nonexistent/list.txt")),
    ConfigRow("c222p", "interface", "label-too-long", plain(zone=[{"suffix": "x" * 64 + ".example"}]), ("zone", "suffix")),
    ConfigRow("c222q", "interface", "not-toml", "[server\nlisten = 5", ("line",)),
    ConfigRow("c222r", "interface", "wrong-type", 'server = "x"', ("server",)),
    ConfigRow("c222s", "interface", "all-errors-at-once", plain(server={"lisen": [], "workers": -3}, dns64={"vip": "10.9.8.7"}, upstream={"servers": ["gopher://x"]}), ("lisen", "-3", "10.9.8.7", "gopher://x")),
    *(ConfigRow("c223", "rfc3056-2", f"vip-{text}", vip(text), ("dns64.vip", text)) for text in NON_GLOBAL_VIPS),
    *(ConfigRow("c223a", "rfc3056-2", f"vip-{text}", vip(text)) for text in ("198.51.100.64", "203.0.113.1", "192.0.2.1", "8.8.8.8", "100.128.0.1", "172.32.0.1")),
    ConfigRow("c223b", "rfc3056-2", "non-global-allowed", vip("10.0.0.1", allow_nonglobal_vip=True)),
]  # fmt: skip
