"""Traffic and drops as the admin port tells of them: in /status."""

from typing import Any

from kun_nat64.policy.drop_reasons import WORDS, Drop, by_reason, drops
from kun_nat64.state.agent_state import State

JSON = dict[str, Any]


def drops_of(state: State) -> tuple[Drop, ...]:
    seen = state.machine.seen
    return () if seen is None else drops(seen.counters, seen.counted, seen.refused)


def carried_data(state: State, *, now: float) -> JSON:
    """`rate`: per second since the look before the last one; None until there were two. Counts begin with the rules."""
    carried = state.carried
    rate = carried.rate
    return {
        "counted_s_ago": None if carried.at is None else round(now - carried.at, 3),
        "rate": None
        if rate is None
        else {
            "mbit_in": round(rate.bits_in / 1e6, 3),
            "mbit_out": round(rate.bits_out / 1e6, 3),
            "packets_in": round(rate.packets_in, 1),
            "packets_out": round(rate.packets_out, 1),
        },
        "public": [
            {
                "address": address,
                "protocol": protocol,
                "bytes_in": one.bytes_in,
                "bytes_out": one.bytes_out,
                "packets_in": one.packets_in,
                "packets_out": one.packets_out,
            }
            for (address, protocol), one in carried.by_address.items()
        ],
    }


def drops_data(state: State) -> JSON:
    """By reason, with words; and by rule, those that have dropped something."""
    dropped = drops_of(state)
    return {
        "reasons": [
            {"reason": reason, "packets": packets, "words": WORDS[reason]}
            for reason, packets in by_reason(dropped).items()
        ],
        "rules": [{"reason": one.reason, "rule": one.rule, "packets": one.packets} for one in dropped if one.packets],
    }
