"""What each rule says, in words, and where it is written."""

from kun_dns64.model.step import Note, Rule

VERDICTS: dict[Rule, Note] = {
    Rule.FORWARDED: Note("forwarded unchanged", "RFC 6147 section 5.3.3"),
    Rule.REAL_AAAA: Note("there are real AAAA records, which win", "RFC 6147 section 5.1.1"),
    Rule.NXDOMAIN: Note("the name does not exist, which is final", "RFC 6147 section 5.1.2"),
    Rule.SYNTHESISED_NODATA: Note("there is no AAAA but an A record: synthesised", "RFC 6147 section 5.1.6"),
    Rule.SYNTHESISED_ERROR: Note(
        "an error for AAAA counts as no AAAA, and there is an A record: synthesised", "RFC 6147 section 5.1.2"
    ),
    Rule.SYNTHESISED_TIMEOUT: Note(
        "no answer for AAAA counts as no AAAA, and there is an A record: synthesised", "RFC 6147 section 5.1.3"
    ),
    Rule.SYNTHESISED_EXCLUDED: Note("only excluded AAAA, which count as absent: synthesised", "RFC 6147 section 5.1.4"),
    Rule.SYNTHESISED_FORCED: Note("the zone ignores real AAAA: synthesised", '[[zone]] dns64 = "force"'),
    Rule.NO_A: Note("neither AAAA nor A: the answer to the AAAA question", "RFC 6147 section 5.4"),
    Rule.A_FAILED: Note("there is no AAAA, and the A lookup failed", "RFC 6147 section 5.1.6"),
    Rule.AAAA_FAILED: Note(
        "the AAAA lookup failed and there is no A record, so the absence of AAAA is unproven: SERVFAIL",
        "RFC 6147 section 5.4",
    ),
    Rule.NOT_FOR_CD: Note("CD=1 asks for unchanged data", "RFC 6147 section 5.5, case 3"),
    Rule.NOT_FOR_ZONE: Note("the zone is never synthesised", '[[zone]] dns64 = "never"'),
    Rule.NOT_FOR_CLIENT: Note("this client gets real answers only", "[[client]] dns64 = false"),
    Rule.NOT_FOR_CLASS: Note("DNS64 is for class IN", "RFC 6147 section 5.1"),
    Rule.NOT_SIGNED_OVER: Note("signed data is not changed for a client that validates", "strict_dnssec"),
    Rule.GATEWAY_DOWN: Note("all gateways are down", 'on_gateway_down = "stop"'),
    Rule.IPV4_DENIED: Note("none of the IPv4 addresses may be embedded", "never_embed, map, RFC 6052 section 3.1"),
    Rule.FILTERED_A: Note("this client gets no A", "[[client]] filter_a = true"),
    Rule.LOCAL_DISCOVERY: Note("ipv4only.arpa is answered here", "RFC 8880 section 7.1"),
    Rule.LOCAL_REVERSE: Note("the reverse zone of our prefixes is answered here", "RFC 6147 section 5.3.1"),
    Rule.LOCAL_SPECIAL: Note("a special-use name, which is answered here", "[server] special_names, RFC 6761"),
    Rule.LOCAL_CHAOS: Note("class CHAOS is about this server, and is answered here", "RFC 4892"),
    Rule.REVERSE: Note("the PTR of the embedded IPv4 address", "RFC 6147 section 5.3.1"),
    Rule.REFUSED_CLIENT: Note("the source is not in allow_clients", "[server] allow_clients"),
    Rule.RATE_LIMITED: Note(
        "too many queries from this source, or too many of them wait", "[server] rate_limit_per_s, client_max_waiting"
    ),
    Rule.DISPLACED: Note("newer queries of the same client took its place", "[server] client_max_waiting"),
    Rule.NOT_RECURSIVE: Note("RD=0, and the cache has no answer", "RFC 8914 section 4.21"),
    Rule.DNSSEC_FAILURE: Note(
        "the upstream says that the data is bogus: its SERVFAIL is forwarded", "RFC 6147 section 5.5, case 2"
    ),
    Rule.UPSTREAM_FAILED: Note("no upstream gave a usable answer", "RFC 8914 section 4.23"),
    Rule.MALFORMED: Note("the packet is not a DNS query", "RFC 1035 section 4.1.1"),
    Rule.NOT_IMPLEMENTED: Note("a forwarder does not support this opcode or type", "RFC 8906 section 3.1.4"),
    Rule.BAD_VERSION: Note("only EDNS version 0 is supported", "RFC 6891 section 6.1.3"),
    Rule.BAD_COOKIE: Note("the server cookie is not from this server", "RFC 7873 section 5.4"),
    Rule.TOO_LARGE: Note("the answer does not fit any message", "RFC 1035 section 4.2.2"),
    Rule.LOOP: Note("the query is our own question: a forwarding loop", "[upstream] servers"),
    Rule.COOKIE_ONLY: Note("a query for a cookie alone", "RFC 7873 section 5.4"),
}
