"""Session records as JSON lines with the names of the Elastic Common Schema (ECS 8).

`source` is the pod, `source.nat` its public address and port; `destination` is what the pod sent to, and
`destination.nat` the IPv4 that its last 32 bits embed (RFC 6052 section 2.2).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from kun_base.plain_json import one_line
from kun_base.prefix import Prefix
from kun_nat64.model.audit import UNKNOWN, Record, SessionEvent
from kun_nat64.model.clients import Client

ECS_VERSION = "8.17.0"


class EcsLines:
    """Makes lines for one gateway; `name` is its name and `vip` its address on the pods' side."""

    def __init__(self, name: str, vip: IPv4Address | IPv6Address, pool6: Prefix, version: str) -> None:
        self._pool6 = pool6
        observer = {"name": name, "type": "nat64", "product": "kun-nat64", "version": version, "ip": [str(vip)]}
        fields = one_line(observer)
        self._tail = f',"observer":{fields},"ecs":{{"version":"{ECS_VERSION}"}}}}'

    def started(self, record: Record) -> str:
        return self._line(record, SessionEvent.STARTED, record.began, "start", f'"start":"{iso(record.began)}"')

    def ended(self, record: Record) -> str:
        ended = record.ended if record.ended is not None else record.began
        # ECS: nanoseconds.
        duration = round((ended - record.began) * 1e9)
        times = f'"start":"{iso(record.began)}","end":"{iso(ended)}","duration":{duration}'
        return self._line(record, SessionEvent.ENDED, ended, "end", times)

    def _line(self, record: Record, action: SessionEvent, at: float, kind: str, times: str) -> str:
        flow = record.flow
        inside, outside, remote = flow.inside, flow.outside, flow.remote
        public, server = _text4(outside.address), _text4(remote.address)
        return (
            f'{{"@timestamp":"{iso(at)}","event":{{"kind":"event","category":["network"],"type":["connection","{kind}"],'
            f'"dataset":"kun_nat64.session","action":"{action}",{times}}},'
            f'"network":{{"transport":"{flow.protocol}","type":"ipv6"}},'
            f'"source":{{"ip":"{_text6(inside.address)}","port":{inside.port},'
            f'"nat":{{"ip":"{public}","port":{outside.port}}}}},'
            f'"destination":{{"ip":"{_embedded(self._pool6, remote.address)}","port":{remote.port},'
            f'"nat":{{"ip":"{server}","port":{remote.port}}}}}{_pod(record.client)}{_own(record)}{self._tail}'
        )

    def lines(self, started: tuple[Record, ...], ended: tuple[Record, ...]) -> Iterator[str]:
        yield from map(self.started, started)
        yield from map(self.ended, ended)


@lru_cache(maxsize=65536)
def _pod(client: Client) -> str:
    """As it was named when the session began."""
    if not client.pod:
        return ""
    resource = one_line({"name": client.pod, "type": "pod"})
    return f',"orchestrator":{{"type":"kubernetes","namespace":{one_line(client.namespace)},"resource":{resource}}}'


def _own(record: Record) -> str:
    """What no name of ECS fits. The session was not there yet at `earliest_start`, if anybody had looked before."""
    fields = {} if record.after == UNKNOWN else {"earliest_start": iso(record.after)}
    if record.client.tenant:
        fields["tenant"] = record.client.tenant
    return f',"kun_nat64":{one_line(fields)}' if fields else ""


def iso(at: float) -> str:
    """UTC with milliseconds, as ECS wants it."""
    milliseconds = round(at * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(at: int) -> str:
    """Sessions come in crowds: most of them share their seconds with others."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=65536)
def _text6(address: IPv6Address) -> str:
    return str(address)


@lru_cache(maxsize=65536)
def _text4(address: IPv4Address) -> str:
    return str(address)


@lru_cache(maxsize=65536)
def _embedded(pool6: Prefix, address: IPv4Address) -> str:
    return str(pool6.embed(address))
