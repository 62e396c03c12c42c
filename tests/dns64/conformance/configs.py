"""The configurations the rows run under, by name. `ONE` and `TWO` are the scripted upstreams.

`DEAD` is a port nobody listens on. The place-holders are filled in when the session knows them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .names import VIP

Config = dict[str, Any]

PLAIN: Config = {
    "server": {"budget_s": 1.8},
    "upstream": {"servers": ["udp://ONE"], "stagger_ms": 0},
    "dns64": {"vip": VIP},
}


def plain(**tables: Any) -> Config:
    """The plain configuration with tables changed key by key, or whole arrays of tables added."""
    merged: Config = {name: dict(table) for name, table in PLAIN.items()}
    for name, value in tables.items():
        merged[name] = merged.get(name, {}) | value if isinstance(value, Mapping) else value
    return merged


def prefixes(*networks: str, **more: Any) -> Config:
    """The plain configuration with prefixes written out in place of the VIP."""
    config = plain()
    config["dns64"] = {"prefixes": list(networks), **more}
    return config


def without_dns64_prefix() -> Config:
    config = plain()
    config["dns64"] = {}
    return config


_TEN = {"ipv4": "10.0.0.0/8", "prefix": "2001:db8:64::/96"}
_TEN_ONE = {"ipv4": "10.1.0.0/16", "prefix": "2001:db8:65::/96"}
_TEN_TWO = {"ipv4": "10.2.0.0/16", "prefix": "none"}
SECRET = "8e9f2b6a4c1d0e7f5a3b2c1d9e8f7a6b"

CONFIGS: dict[str, Config] = {
    "plain": PLAIN,
    "no-0x20": plain(upstream={"case_randomisation": False}),
    "stagger": plain(upstream={"stagger_ms": 50}),
    "trust-ad": plain(upstream={"trust_ad": True}),
    "strict-dnssec": plain(dns64={"strict_dnssec": True}),
    "ptr-mode": plain(dns64={"ptr_mode": "ptr"}),
    "exclude-none": plain(dns64={"exclude_aaaa": []}),
    "exclude-more": plain(dns64={"exclude_aaaa": ["2001:eeee::/32", "64:ff9b::/96", "::ffff:0:0/96"]}),
    "exclude-all": plain(dns64={"exclude_aaaa": ["::/0"]}),
    "never-embed-none": plain(dns64={"never_embed": []}),
    "never-embed-private": plain(dns64={"never_embed": ["10.0.0.0/8", "192.168.0.0/16"]}),
    "never-embed-discovery": plain(dns64={"never_embed": ["192.0.0.0/24"]}),
    "map-discovery-none": plain(dns64={"map": [{"ipv4": "192.0.0.0/24", "prefix": "none"}]}),
    "wkp": prefixes("64:ff9b::/96"),
    "no-prefix": without_dns64_prefix(),
    "p32": prefixes("2001:db8::/32"),
    "p40": prefixes("2001:db8:100::/40"),
    "p48": prefixes("2001:db8:122::/48"),
    "p56": prefixes("2001:db8:122:300::/56"),
    "p64": prefixes("2001:db8:122:344::/64"),
    "p96": prefixes("2001:db8:122:344::/96"),
    "two-prefixes": prefixes("2002:c633:6440::/96", "2001:db8:122::/48"),
    "wkp-and-own": prefixes("2002:c633:6440::/96", "64:ff9b::/96"),
    "map": plain(dns64={"map": [_TEN]}),
    "map-longest": plain(dns64={"map": [_TEN, _TEN_ONE, _TEN_TWO]}),
    "no-special-names": plain(server={"special_names": []}),
    "own-test-zone": plain(zone=[{"suffix": "test", "servers": ["udp://TWO"]}]),
    "chaos": plain(server={"identity": "dns-1", "version": "kun"}),
    "map-private": plain(
        dns64={
            "map": [
                {"ipv4": "10.0.0.0/8", "prefix": "2002:c633:6440::/96"},
                {"ipv4": "192.168.0.0/16", "prefix": "2002:c633:6440::/96"},
                {"ipv4": "126.0.0.0/7", "prefix": "2002:c633:6440::/96"},
                {"ipv4": "198.51.100.64/32", "prefix": "2002:c633:6440::/96"},
            ],
            "never_embed": ["10.0.0.0/8", "10.9.0.0/16", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        }
    ),
    "map-6to4": plain(
        dns64={
            "map": [
                {"ipv4": "10.1.0.0/16", "prefix": "6to4", "host": "embed"},
                {"ipv4": "10.2.0.0/16", "prefix": "6to4", "host": "1"},
                {"ipv4": "11.0.0.0/24", "prefix": "6to4"},
                {"ipv4": "192.0.0.0/24", "prefix": "6to4"},
            ]
        }
    ),
    "tcp-upstream": plain(upstream={"servers": ["tcp://ONE"]}),
    "two-upstreams": plain(upstream={"servers": ["udp://ONE", "udp://TWO"]}),
    "dead-first": plain(upstream={"servers": ["udp://DEAD", "udp://ONE"]}),
    "dead-only": plain(upstream={"servers": ["udp://DEAD"]}),
    "no-stale": plain(cache={"max_stale_s": 0, "prefetch": False}),
    "stale": plain(cache={"max_stale_s": 86400, "stale_ttl_s": 30, "prefetch": False}),
    "stale-briefly": plain(cache={"max_stale_s": 1, "prefetch": False}),
    "max-ttl": plain(cache={"max_ttl_s": 120}),
    "cookies-a": plain(server={"cookie_secret_file": "SECRET_FILE"}),
    "cookies-b": plain(server={"cookie_secret_file": "SECRET_FILE"}),
    "wildcard": {"hosts": ["0.0.0.0", "[::]"]} | PLAIN,
    "ecs-forwarded": plain(upstream={"client_subnet": True}, server={"trust_ecs_from": ["127.0.0.0/8", "::1/128"]}),
    "closed": plain(server={"allow_clients": ["127.0.0.1/32", "::1/128"]}),
    "zones": plain(
        zone=[
            {"suffix": "cluster.local", "dns64": "never"},
            {"suffix": "forced.cluster.local", "dns64": "force"},
            {"suffix": "never.example", "dns64": "never"},
            {"suffix": "deep.never.example", "dns64": "normal"},
            {"suffix": "force.example", "dns64": "force"},
            {"suffix": "own.example", "dns64": "normal", "servers": ["udp://TWO"]},
            {"suffix": "10.in-addr.arpa", "dns64": "normal", "servers": ["udp://TWO"]},
        ]
    ),
    "pools": plain(
        pool=[
            {"name": "overseas", "vip": "203.0.113.129", "domains": ["over.example", "exact.t.example"]},
            {"name": "deeper", "vip": "203.0.113.130", "domains": ["deep.over.example"], "servers": ["udp://TWO"]},
            {"name": "listed", "vip": "203.0.113.131", "domain_files": ["DOMAIN_FILE"]},
        ]
    ),
    "clients": plain(
        server={"trust_ecs_from": ["127.0.0.9/32"]},
        pool=[{"name": "overseas", "vip": "203.0.113.129", "domains": ["over.example"]}],
        client=[
            {"name": "dual stack", "networks": ["127.0.0.2/32", "10.7.0.0/16"], "dns64": False},
            {"name": "ipv6 only", "networks": ["127.0.0.3/32", "2002:a01:2::/48"], "filter_a": True},
            {"name": "travellers", "networks": ["127.0.0.4/32"], "pool": "overseas"},
            {"name": "shadowed by the first", "networks": ["127.0.0.2/31"], "filter_a": True},
            {"name": "own domains", "networks": ["127.0.0.6/32"], "pool": "overseas", "domains": ["own.example"]},
        ],
    ),
}


def filled(config: Config, places: Mapping[str, str]) -> Config:
    """The configuration with the place-holders replaced by addresses and file names of this session."""
    text = json.dumps(config)
    for word, value in places.items():
        text = text.replace(word, value)
    result: Config = json.loads(text)
    return result
