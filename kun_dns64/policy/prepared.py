"""The operator's rules in the form look-ups want. Made once per set of rules."""

from dataclasses import dataclass
from functools import lru_cache

from kun_base.prefix import WELL_KNOWN, Prefix
from kun_dns64.model.rules import Rules
from kun_dns64.policy.client_table import ClientTable, client_networks
from kun_dns64.policy.exclusion import ExclusionSet
from kun_dns64.policy.gateway import Exit, exits
from kun_dns64.policy.mapping import EmbeddingTable
from kun_dns64.policy.networks import NetworkTable
from kun_dns64.policy.reverse_zone import ReverseZone, reverse_zones
from kun_dns64.policy.zone import ZoneTable


@dataclass(frozen=True, slots=True)
class Prepared:
    rules: Rules
    allowed: NetworkTable
    trusted: NetworkTable
    forwarders: NetworkTable
    clients: ClientTable
    zones: ZoneTable
    exits: dict[str, Exit]
    embedding: EmbeddingTable
    exclusion: ExclusionSet
    reverse: tuple[ReverseZone, ...]


@lru_cache(maxsize=4)
def prepare(rules: Rules) -> Prepared:
    """Rules hash by identity, so this is a look-up for all but the first query under new rules."""
    own = own_prefixes(rules)
    return Prepared(
        rules,
        NetworkTable(rules.allow_clients),
        NetworkTable(rules.trust_ecs_from),
        NetworkTable((*rules.trust_ecs_from, *rules.forwarders)),
        ClientTable(rules.client_networks or client_networks(rules.clients), rules.followed, rules.followed_from),
        ZoneTable(rules.zones),
        exits(rules),
        EmbeddingTable(rules, own),
        ExclusionSet((*rules.exclude_aaaa, *(prefix.network for prefix in own))),
        reverse_zones((*own, WELL_KNOWN)),
    )


def own_prefixes(rules: Rules) -> tuple[Prefix, ...]:
    """Every prefix this server may answer with, once each, in the operator's order."""
    mapped = (mapping.prefix for mapping in rules.mappings if isinstance(mapping.prefix, Prefix))
    pooled = (prefix for pool in rules.pools for prefix in pool.prefixes)
    return tuple(dict.fromkeys((*rules.prefixes, *pooled, *mapped)))
