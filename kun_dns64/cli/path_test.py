"""The `test` command: from a pod, a node or anywhere, whether names and packets reach IPv4."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from ipaddress import IPv4Address, IPv6Address

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import typer

from kun_base.path_test import PathStep, StepState, connection_steps, route_step
from kun_base.prefix import Prefix
from kun_base.watched_screen import wrapped
from kun_dns64.cli.discover import ANSWER_S, ask_prefixes
from kun_dns64.config.endpoint import Endpoint

EXIT_FAILED = 1
# Columns of the state.
INDENT = 10


def run_path_test(server: Endpoint, name: str, target: tuple[IPv4Address, int] | None, *, as_json: bool) -> int:
    """Print each step as it is known; return 0, or 1 where a step failed."""
    steps = []
    for step in _steps(server, name, target):
        steps.append(step)
        if not as_json:
            typer.echo(wrapped(f"{step.state:<8}  {step.name}: {step.detail}", INDENT))
            if step.remedy:
                typer.echo(wrapped(f"{'':{INDENT}}{step.remedy}", INDENT))
    if as_json:
        typer.echo(json.dumps({"steps": [asdict(step) for step in steps]}, indent=2))
    return EXIT_FAILED if any(step.state is StepState.FAILED for step in steps) else 0


def _steps(server: Endpoint, name: str, target: tuple[IPv4Address, int] | None) -> Iterator[PathStep]:
    for transport in ("UDP", "TCP"):
        step = _transport_step(server, transport)
        yield step
        if step.state is StepState.FAILED and transport == "UDP":
            return
    prefixes = ask_prefixes(server)
    if not prefixes:
        remedy = "this server is no DNS64, or forwards to none: `kun-dns64 explain ipv4only.arpa` on the server"
        yield PathStep("prefix (RFC 7050)", StepState.FAILED, f"{server} gives none", remedy)
        return
    yield PathStep("prefix (RFC 7050)", StepState.OK, " ".join(map(str, prefixes)))
    yield _synthesis_step(server, name, prefixes)
    route = route_step(prefixes[0].embed(target[0] if target else IPv4Address("192.0.0.170")))
    yield route
    if route.state is StepState.OK:
        yield from connection_steps(prefixes[0], target)


def _transport_step(server: Endpoint, transport: str) -> PathStep:
    query = dns.message.make_query("ipv4only.arpa.", dns.rdatatype.A)
    ask = dns.query.udp if transport == "UDP" else dns.query.tcp
    try:
        reply = ask(query, server.host, ANSWER_S, server.port)
    except (OSError, dns.exception.DNSException) as error:
        remedy = f"check that the server runs and that nothing drops {transport} port {server.port} on the way"
        return PathStep(f"DNS by {transport}", StepState.FAILED, f"{server}: {error or type(error).__name__}", remedy)
    return PathStep(f"DNS by {transport}", StepState.OK, f"{server} answers {dns.rcode.to_text(reply.rcode())}")


def _synthesis_step(server: Endpoint, name: str, prefixes: tuple[Prefix, ...]) -> PathStep:
    """The AAAA of a name must be its A below one of the prefixes, where the name has no AAAA of its own."""
    title = f"AAAA of {name}"
    try:
        aaaa = {IPv6Address(text) for text in _addresses(server, name, dns.rdatatype.AAAA)}
        a = [IPv4Address(text) for text in _addresses(server, name, dns.rdatatype.A)]
    except (OSError, dns.exception.DNSException) as error:
        return PathStep(title, StepState.FAILED, str(error) or type(error).__name__, f"kun-dns64 explain {name}")
    made = [address for address in aaaa if any(prefix.embed(ipv4) == address for prefix in prefixes for ipv4 in a)]
    if made:
        return PathStep(title, StepState.OK, " ".join(map(str, made)))
    if aaaa:
        return PathStep(
            title, StepState.UNSEEN, f"has real addresses: {' '.join(map(str, aaaa))}", "give another --name"
        )
    remedy = f"kun-dns64 explain {name}" if a else "the name has no A either: give another --name"
    return PathStep(title, StepState.FAILED if a else StepState.UNSEEN, "no AAAA", remedy)


def _addresses(server: Endpoint, name: str, rtype: dns.rdatatype.RdataType) -> list[str]:
    reply, _ = dns.query.udp_with_fallback(dns.message.make_query(name, rtype), server.host, ANSWER_S, server.port)
    return [record.address for rrset in reply.answer if rrset.rdtype == rtype for record in rrset]
