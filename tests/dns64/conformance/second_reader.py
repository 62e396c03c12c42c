"""A second opinion on every reply, by a library that shares no code with dnspython: both must read the same."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dnslib

Row = tuple[str, int, int]
# Types whose data both libraries give as one comparable text.
COMPARED = {dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.CNAME, dns.rdatatype.NS, dns.rdatatype.PTR}


def disagreements(wire: bytes, reply: dns.message.Message) -> Iterator[str]:
    """Yield how dnslib reads `wire` otherwise than dnspython, which read `reply` from it."""
    if _is_beyond_dnslib(reply):
        return
    try:
        other = dnslib.DNSRecord.parse(wire)
    except (dnslib.DNSError, ValueError) as error:
        yield f"dnslib cannot read the reply: {error!r}"
        return
    header = other.header
    seen = {"AA": header.aa, "TC": header.tc, "RD": header.rd, "RA": header.ra, "AD": header.ad, "CD": header.cd}
    for name, value in seen.items():
        if bool(value) != bool(reply.flags & dns.flags.Flag[name]):
            yield f"dnslib reads {name} as {value}"
    if header.rcode != int(reply.rcode()) & 15:
        yield f"dnslib reads rcode {header.rcode}"
    for section, ours, theirs in (
        ("answer", reply.answer, other.rr),
        ("authority", reply.authority, other.auth),
        ("additional", reply.additional, [record for record in other.ar if record.rtype != dns.rdatatype.OPT]),
    ):
        mine = sorted(_row(rrset.name, rrset.rdtype, rrset.ttl) for rrset in ours for _ in rrset)
        if mine != (read := sorted(_row(_name(record.rname), record.rtype, record.ttl) for record in theirs)):
            yield f"dnslib reads the {section} as {read}, dnspython as {mine}"
        texts = sorted(_text(record) for rrset in ours if rrset.rdtype in COMPARED for record in rrset)
        others = sorted(_data(record) for record in theirs if record.rtype in COMPARED)
        if texts != others:
            yield f"dnslib reads data of the {section} as {others}, dnspython as {texts}"


def _is_beyond_dnslib(reply: dns.message.Message) -> bool:
    """dnslib 0.9 refuses labels with other bytes than printable ones, empty data, and data of class ANY (RFC 2136)."""
    rrsets = [*reply.question, *reply.answer, *reply.authority, *reply.additional]
    odd = any(not 0x21 <= byte <= 0x7E for rrset in rrsets for label in rrset.name.labels for byte in label)
    empty = any(not record.to_wire() for rrset in rrsets for record in rrset)
    return odd or empty or any(rrset.rdclass == dns.rdataclass.ANY for rrset in rrsets)


def _row(name: dns.name.Name, rtype: int, ttl: int) -> Row:
    return str(name).lower(), int(rtype), ttl


def _name(label: dnslib.DNSLabel) -> dns.name.Name:
    return dns.name.Name((*label.label, b""))


def _data(record: dnslib.RR) -> str:
    if record.rtype in (dns.rdatatype.CNAME, dns.rdatatype.NS, dns.rdatatype.PTR):
        return str(_name(record.rdata.label)).lower()
    return str(ip_address(str(record.rdata)))


def _text(record: dns.rdata.Rdata) -> str:
    address = getattr(record, "address", None)
    return str(record).lower() if address is None else str(ip_address(address))
