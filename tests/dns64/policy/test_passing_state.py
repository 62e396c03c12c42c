"""What is said because of a state of ours that passes ends within 30 s, data and denials alike."""

import pytest

from kun_dns64.model.message import Transport
from kun_dns64.model.rules import GatewayDown, Pool, Rules, Zone, ZoneMode
from kun_dns64.model.step import Reply
from kun_dns64.policy.lifetime import CLAMP_S

from ..world import Outcome, answer, bare_nodata, nodata, nxdomain, prefix, query, rules, run, wire_name

SIG = "20300101000000 20200101000000 1 t.example."
DOWN = frozenset(("",))
FORCE = (Zone(wire_name("f.t.example"), ZoneMode.FORCE),)
STOP = rules(pools_down=DOWN, on_gateway_down=GatewayDown.STOP, zones=FORCE)
CLAMP = rules(pools_down=DOWN, zones=FORCE)
FALLS_BACK = rules(
    pools=(Pool("other", (prefix("2001:db8:a::/96"),), fallback="default"),), pools_down=frozenset(("other",))
)
A = answer("w 3600 A 192.0.2.33")
SIGNED = answer(
    "",
    f"@ 3600 SOA ns h 1 3600 600 86400 3600\n@ 3600 RRSIG SOA 8 2 3600 {SIG} AAAA\nw 3600 NSEC x.t.example. A RRSIG",
)


def least(reply: Reply) -> int:
    return min(record.ttl for record in (*reply.answer, *reply.authority))


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize(
    ("name", "heard", "given"),
    [
        pytest.param("w", {"w AAAA": nodata(3600, 3600), "w A": A}, STOP, id="stop"),
        pytest.param("w", {"w AAAA": nodata(3600, 3600), "w A": A}, CLAMP, id="clamp"),
        pytest.param("w", {"w AAAA": SIGNED, "w A": A}, STOP, id="stop, with proofs"),
        pytest.param("w", {"w AAAA": answer("w 3600 AAAA ::ffff:1.2.3.4", "@ 3600 SOA ns h 1 1 1 1 3600")}, STOP,
                     id="stop, all excluded"),
        pytest.param("w", {"w AAAA": bare_nodata(), "w A": A}, CLAMP, id="clamp, no SOA"),
        pytest.param("r.f", {"r.f AAAA": answer("r.f 3600 AAAA 2001:db8::1")}, STOP, id="stop, real in a forced zone"),
        pytest.param("r.f", {"r.f A": answer("r.f 3600 A 192.0.2.33")}, CLAMP, id="clamp, forced zone"),
        pytest.param("w", {"w AAAA": answer("w 3600 CNAME r.f\nr.f 3600 AAAA 2001:db8::1")}, STOP,
                     id="stop, real behind an alias"),
        pytest.param("ipv4only.arpa.", {}, STOP, id="stop, discovery"),
        pytest.param("ipv4only.arpa.", {}, CLAMP, id="clamp, discovery"),
    ],
)  # fmt: skip
def test_what_depends_on_the_gateways_ends_within_thirty_seconds(
    name: str, heard: dict[str, Outcome], given: Rules, transport: Transport
) -> None:
    got = run(query(name, "AAAA", do=True)._replace(transport=transport), heard, given)
    assert isinstance(got.reply, Reply)
    kinds = [record for record in got.reply.answer if record.rtype == 28]
    kinds += [record for record in got.reply.authority if not got.reply.answer]
    assert all(record.ttl <= CLAMP_S for record in kinds), got.reply
    assert kinds or got.reply.authority == (), got.reply


@pytest.mark.parametrize(
    ("name", "qtype", "heard", "ttl"),
    [
        pytest.param("w", "AAAA", {"w AAAA": answer("w 3600 AAAA 2001:db8::1")}, 3600, id="real AAAA"),
        pytest.param("w", "AAAA", {"w AAAA": nxdomain(3600, 3600)}, 3600, id="no such name"),
        pytest.param("w", "A", {"w A": A}, 3600, id="A"),
        pytest.param("ipv4only.arpa.", "A", {}, 600, id="the well-known addresses"),
    ],
)
def test_what_does_not_depend_on_them_lives_as_long_as_ever(
    name: str, qtype: str, heard: dict[str, Outcome], ttl: int
) -> None:
    got = run(query(name, qtype), heard, STOP)
    assert isinstance(got.reply, Reply)
    assert least(got.reply) == ttl


def test_a_short_denial_is_not_made_longer() -> None:
    got = run(query("w", "AAAA"), {"w AAAA": nodata(7, 3600)}, STOP)
    assert isinstance(got.reply, Reply)
    assert (least(got.reply), got.reply.steady_s) == (7, 0)


def test_a_pool_that_is_replaced_by_another_is_clamped() -> None:
    by_pool = rules(
        pools=FALLS_BACK.pools,
        pools_down=FALLS_BACK.pools_down,
        pool_of=type("All", (), {"find": lambda self, name: "other"})(),
    )
    got = run(query("w", "AAAA"), {"w AAAA": nodata(3600, 3600), "w A": A}, by_pool)
    assert got.lines == ["w 30 AAAA 2002:c633:6440::c000:221"]
