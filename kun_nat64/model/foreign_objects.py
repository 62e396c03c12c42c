"""What is not ours on this machine and may stand in the packets' way; looked at while something fails."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WayBack:
    """What stands in the way of answers, from the translator to the router. All empty: nothing, or nobody looked.

    `nodes`: what is wrong with the IPv4 route from the VIP to a node; `pods`: with the IPv6 route to a pod. `rules`:
    routing rules that the kernel does not have by itself, or that it should have. `queues`: queueing disciplines and
    filters on tunnel and uplink. `drops`: firewall rules that drop protocol 41 on its way out. `silent`: routers
    towards the nodes whose link-layer address nobody tells.
    """

    nodes: str = ""
    pods: str = ""
    rules: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """All of it, for people."""
        routes = tuple(one for one in (self.nodes, self.pods) if one)
        return (*routes, *self.rules, *self.queues, *self.drops, *self.silent)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`default_route`: whether there is a way to the targets by the outside interface; None: nobody looked.

    `input_drops`: rules of others that drop protocol 41 to the VIP. `answer_drops`: rules of others that drop what the
    kernel's connection tracking calls invalid, as it does with every answer to translated packets. `absent`: pool4
    addresses that are on no interface here. `silent`: next hops towards the targets whose link-layer address nobody
    tells. `strict`: interfaces with rp_filter 1. `tracked`: (connections tracked, most) where that table is full.
    `back`: of the way back to the pods. `uplink`: interface towards the nodes.
    """

    default_route: bool | None = None
    input_drops: tuple[str, ...] = ()
    answer_drops: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    strict: tuple[str, ...] = ()
    tracked: tuple[int, int] | None = None
    back: WayBack = field(default_factory=WayBack)
    uplink: str = ""


UNSEEN = Surroundings()
