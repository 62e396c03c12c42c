"""An explanation as lines for people and as data for programs. `status` is the running agent's, None without one."""

from collections.abc import Iterator, Sequence
from typing import Any

from kun_base.html_page import duration
from kun_base.prefix import WELL_KNOWN
from kun_nat64.model.clients import Client
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Standing
from kun_nat64.model.traffic import Binding, Session, Traffic
from kun_nat64.policy.explain import Explanation, Sender, chosen_by
from kun_nat64.policy.port_use import EVERYBODY, Ports, owned_ports, ports_of

JSON = dict[str, Any]
# More are counted, not listed.
LISTED = 10
# Who gets the packets: the first of these that any gateway has.
BEST_FIRST = (Standing.FULL, Standing.SOFT, Standing.DRAINING)


def as_data(found: Explanation, spec: AgentSpec, ports: Ports | None, status: JSON | None) -> JSON:
    return {
        "destination": str(found.destination),
        "serves": [str(spec.gateway.pool6)],
        "vip": None if spec.gateway.vip is None else str(spec.gateway.vip),
        "inside": spec.gateway.inside,
        "ipv4": None if found.ipv4 is None else str(found.ipv4),
        "outside_prefix": found.outsider,
        "reachable": found.reachable,
        "denied_by": None if found.denied_by is None else str(found.denied_by),
        "denied": found.denied,
        "gateways": standings(status),
        "public": [
            {"address": address, "protocol": protocol, "used": None if ports is None else used, "total": total}
            for (address, protocol), (used, total) in (ports or totals(spec, found.owner)).items()
        ],
        "public_chosen_by": list(chosen_by(spec)),
        "sessions_per_client": spec.nat64.limit.sessions or None,
        "client_length": spec.nat64.limit.length,
        "client": None if found.sender is None else _sender_data(found.sender, status),
        "sessions": [session_data(one) for one in found.sessions],
        "bindings": [_binding_data(one) for one in found.bindings],
    }


def session_data(one: Session) -> JSON:
    return {
        "protocol": one.protocol,
        "inside": str(one.inside),
        "outside": str(one.outside),
        "remote": str(one.remote),
        "state": one.state,
        "expires_s": one.expires_s,
    }


def _binding_data(one: Binding) -> JSON:
    return {"protocol": one.protocol, "inside": str(one.inside), "outside": str(one.outside)}


def _sender_data(one: Sender, status: JSON | None) -> JSON:
    return {
        "address": str(one.address),
        "node": None if one.node is None else str(one.node),
        "dropped": one.dropped or None,
        "counted_as": str(one.client),
        "sessions": one.sessions,
        "limited": _is_limited(one, status),
        "tenant": one.who.tenant or None,
        "namespace": one.who.namespace or None,
        "pod": one.who.pod or None,
        "bindings": [_binding_data(binding) for binding in one.bindings],
    }


def totals(spec: AgentSpec, owner: str = EVERYBODY) -> Ports:
    """None of the owner's ports in use."""
    return ports_of(owner, owned_ports(Traffic(), spec))


def standings(status: JSON | None) -> JSON:
    """Names of gateways to their standing, this one first. Members that do not answer are not known."""
    if status is None:
        return {}
    own = {status["name"]: status["announcement"]["standing"]}
    return own | {one["name"]: one["standing"] for one in status["fleet"]["members"]}


def as_text(found: Explanation, spec: AgentSpec, ports: Ports | None, status: JSON | None) -> str:
    lines = _lines(found, spec, ports, status)
    return "\n".join(f"{head + ':':<10}{words}" if head else words for head, words in lines)


def _lines(found: Explanation, spec: AgentSpec, ports: Ports | None, status: JSON | None) -> Iterator[tuple[str, str]]:
    gateway = spec.gateway
    if found.ipv4 is None:
        yield "", f"{found.destination} is outside {gateway.pool6}, the only prefix that this gateway serves"
        yield "what", _outsider(found, spec)
        yield "rules", "not ours to translate" if gateway.is_native else "dropped when it comes out of the tunnel"
    else:
        embeds = f"{found.destination} embeds {found.ipv4}"
        of_vip = "" if gateway.is_native else f" of VIP {gateway.vip}"
        yield "", f"{embeds}: prefix {gateway.pool6}{of_vip} (RFC 6052 section 2.2)"
        yield "rules", _rules(found)
    if found.sender is not None:
        yield "pod", _pod(found.sender, spec)
        yield from _whose(found.sender.who)
    if found.reachable:
        yield "gateway", _gateway(spec, status)
        yield "outside", _outside(spec, found.owner, ports)
        yield "limit", _limit(spec, found.sender, status)
    if found.ipv4 is not None:
        yield from _traffic(found, known=ports is not None)


def _outsider(found: Explanation, spec: AgentSpec) -> str:
    meant = WELL_KNOWN.extract(found.destination)
    if meant is not None:
        return f"{found.outsider}; from them {meant} is {spec.gateway.pool6.embed(meant)}"
    named = found.destination.sixtofour
    return f"{found.outsider}" if named in (None, spec.gateway.vip) else f"{found.outsider} ({named})"


def _rules(found: Explanation) -> str:
    if found.denied is not None:
        return f"dropped before translation: {found.denied_by}, {found.denied}"
    return "let through: not in gateway.never_reach, and no address of the gateways themselves"


def _pod(one: Sender, spec: AgentSpec) -> str:
    if one.dropped:
        return f"dropped: {one.dropped}"
    if spec.gateway.is_native:
        return f"let in: {one.address} is in gateway.clients"
    if one.node is None:
        return f"let in: {one.address} is no 6to4 address, and gateway.check_source is false"
    return f"let in: {one.address} is behind the node {one.node}, one of gateway.clients"


def _gateway(spec: AgentSpec, status: JSON | None) -> str:
    # The shipped router hashes inner headers; another one may hash what it likes.
    announced = "pool6" if spec.gateway.is_native else spec.gateway.vip
    how = f"the router picks one for each flow, by its own hash: any that announces {announced}"
    if status is None:
        return f"{how}; no agent runs here"
    known = standings(status)
    best = next((one for one in BEST_FIRST if one in known.values()), None)
    used = [_named(name, status) for name, standing in known.items() if standing == best]
    rest = [f"{_named(name, status)} {standing}" for name, standing in known.items() if standing != best]
    words = f"{how}; now {', '.join(used) if best else 'none'}"
    missing = status["fleet"]["configured"] - len(status["fleet"]["members"])
    return "; ".join(
        [words, *(["not used: " + ", ".join(rest)] if rest else []), *([f"{missing} do not answer"] if missing else [])]
    )


def _named(name: str, status: JSON) -> str:
    return f"{name} (this one)" if name == status["name"] else name


def _whose(who: Client) -> Iterator[tuple[str, str]]:
    if who.pod:
        yield "named", f"{who.namespace}/{who.pod} in Kubernetes"
    if who.tenant:
        yield "tenant", who.tenant


def _outside(spec: AgentSpec, owner: str, ports: Ports | None) -> str:
    shown = [
        f"{protocol} {address} ({f'{total} ports' if ports is None else f'{used} of {total} ports in use'})"
        for (address, protocol), (used, total) in (ports or totals(spec, owner)).items()
    ]
    more = f" and {len(shown) - LISTED} more" if len(shown) > LISTED else ""
    words = f"{', '.join(shown[:LISTED])}{more}"
    if len({address for address, _ in totals(spec, owner)}) == 1:
        return words
    by = ", ".join(chosen_by(spec))
    return f"{words}; a new binding's address follows from: {by or 'nothing, the first that has ports'} (f-args)"


def _limit(spec: AgentSpec, sender: Sender | None, status: JSON | None) -> str:
    limit = spec.nat64.limit
    if not limit.sessions:
        return "none (nat64.sessions_per_client)"
    words = f"{limit.sessions} sessions for each /{limit.length} (nat64.sessions_per_client)"
    if sender is None:
        clients = "" if status is None else f"; {len(status['traffic']['limited'])} clients get no new ports now"
        return f"{words}{clients}"
    now = "; it gets no new ports now" if _is_limited(sender, status) else ""
    return f"{words}; {sender.client} holds {sender.sessions}{now}"


def _is_limited(sender: Sender, status: JSON | None) -> bool | None:
    return None if status is None else str(sender.client) in status["traffic"]["limited"]


def _traffic(found: Explanation, *, known: bool) -> Iterator[tuple[str, str]]:
    if not known:
        yield "sessions", "not known: Jool could not be asked"
        return
    own = found.sender.bindings if found.sender else ()
    yield from _listed("binding", own, lambda one: f"{one.protocol} {one.inside} is seen outside as {one.outside}")
    yield from _listed("session", found.sessions, _session)
    if not found.sessions:
        yield "session", "none now"


def _listed(head: str, found: Sequence[Any], words: Any) -> Iterator[tuple[str, str]]:
    yield from ((head, words(one)) for one in found[:LISTED])
    if len(found) > LISTED:
        yield head, f"and {len(found) - LISTED} more"


def _session(one: Session) -> str:
    state = f", {one.state}" if one.state else ""
    ends = f"expires in {duration(one.expires_s)}"
    return f"{one.protocol} {one.inside} -> {one.remote}, seen outside as {one.outside}{state}, {ends}"
