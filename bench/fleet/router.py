"""Two ways a router maps a hash to a gateway, played flow by flow. Flows are their hash values, 0 to 1."""

from collections.abc import Iterable, Sequence

Members = Sequence[int]


class HashThreshold:
    """Equal regions of the hash space, one a gateway; each change cuts them again (RFC 2992 section 2)."""

    def __init__(self, members: Members) -> None:
        self.members = tuple(members)

    def change(self, members: Members) -> None:
        """Use these gateways from now on."""
        self.members = tuple(members)

    def gateway(self, flow: float) -> int:
        """Give the gateway of a flow."""
        return self.members[int(flow * len(self.members))]


class Resilient:
    """A table of buckets. Only buckets of a gateway that left are given away; a returning one gets none at once."""

    def __init__(self, members: Members, buckets: int) -> None:
        self.table = [members[place % len(members)] for place in range(buckets)]

    def change(self, members: Members) -> None:
        """Give away the buckets of gateways that are not among `members`, to those that have fewest."""
        have = {one: 0 for one in members}
        for one in self.table:
            if one in have:
                have[one] += 1
        for place, one in enumerate(self.table):
            if one not in have:
                least = min(have, key=lambda member: (have[member], member))
                self.table[place] = least
                have[least] += 1

    def settle(self, members: Members) -> None:
        """Spread the buckets evenly, as the kernel does once they are idle."""
        self.table = [members[place % len(members)] for place in range(len(self.table))]

    def gateway(self, flow: float) -> int:
        """Give the gateway of a flow."""
        return self.table[int(flow * len(self.table))]


Router = HashThreshold | Resilient


def placed(router: Router, flows: Iterable[float]) -> list[int]:
    """Give the gateway of every flow."""
    return [router.gateway(flow) for flow in flows]
