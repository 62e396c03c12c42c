"""Everything the rules say about one query, looked up once."""

from typing import NamedTuple

from kun_dns64.formats.client_subnet import write_subnet
from kun_dns64.model.message import Query
from kun_dns64.model.question import Question
from kun_dns64.model.rules import ClientPolicy, Rules, Zone, ZoneMode
from kun_dns64.model.step import Ask, AskedFlags
from kun_dns64.policy.client import client_of, named_subnet
from kun_dns64.policy.gateway import Exit
from kun_dns64.policy.pool import exit_for
from kun_dns64.policy.prepared import Prepared


class QueryContext(NamedTuple):
    query: Query
    name: bytes
    prepared: Prepared
    client: ClientPolicy | None
    zone: Zone | None
    exit: Exit
    flags: AskedFlags
    rules: Rules
    mode: ZoneMode

    def ask(self, question: Question, meanwhile: Question | None = None) -> Ask:
        """A zone's own upstreams go before the pool's; without RD nothing new is asked (RFC 1034 section 4.3.1)."""
        group = self.zone.group if self.zone is not None and self.zone.group else self.exit.group
        rd = self.query.rd
        return Ask(question, self.flags, group, meanwhile if rd else None, cached_only=not rd)

    def ask_behind(self, question: Question) -> Ask:
        """A question about another name than the query's: the zone and the pool of that name say whom to ask."""
        return self.at(question).ask(question)

    def at(self, question: Question) -> "QueryContext":
        """What the rules would say if the client had asked this instead."""
        name = question.name.lower()
        zone = self.prepared.zones.find(name)
        return self._replace(
            query=self.query._replace(question=question),
            name=name,
            zone=zone,
            exit=exit_for(name, self.client, self.prepared),
            mode=NORMAL if zone is None else zone.mode,
        )


NORMAL = ZoneMode.NORMAL
_PLAIN_FLAGS = tuple(AskedFlags(cd, do) for cd in (False, True) for do in (False, True))


def situation(query: Query, prepared: Prepared) -> QueryContext:
    name = query.question.name.lower()
    client = client_of(query, prepared)
    zone = prepared.zones.find(name)
    return QueryContext(
        query,
        name,
        prepared,
        client,
        zone,
        exit_for(name, client, prepared),
        _flags(query, prepared),
        prepared.rules,
        NORMAL if zone is None else zone.mode,
    )


def _flags(query: Query, prepared: Prepared) -> AskedFlags:
    """CD and DO go upstream as asked; client subnet only when the operator says so (RFC 7871 section 11.1)."""
    if prepared.rules.client_subnet:
        subnet = named_subnet(query, prepared)
        if subnet is not None:
            return AskedFlags(query.cd, query.do, write_subnet(subnet))
    return _PLAIN_FLAGS[2 * query.cd + query.do]
