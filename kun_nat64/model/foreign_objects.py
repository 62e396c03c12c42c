"""What is not ours on this machine and may stand in the packets' way; looked at while something fails."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`default_route`: whether there is a way to the targets by the outside interface; None: nobody looked.

    `input_drops`: rules of others that drop protocol 41 to the VIP. `answer_drops`: rules of others that drop what the
    kernel's connection tracking calls invalid, as it does with every answer to translated packets. `absent`: pool4
    addresses that are on no interface here. `silent`: next hops towards the targets whose link-layer address nobody
    tells. `strict`: interfaces with rp_filter 1. `tracked`: (connections tracked, most) where that table is full.
    """

    default_route: bool | None = None
    input_drops: tuple[str, ...] = ()
    answer_drops: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    strict: tuple[str, ...] = ()
    tracked: tuple[int, int] | None = None


UNSEEN = Surroundings()
