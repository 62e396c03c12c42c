# cython: annotation_typing=False
"""Shares in questions that are not answered at once, and the zones in which nothing is answered.

One source for both builds: the compiled path calls it as C (zone_share.pxd).

A question that is not answered within the retransmission timeout costs more than a hundred answered ones: it is sent
again, and its client waits. So each zone, each client and the worker as a whole have an allowance of such questions.
Each answer gives one back. A zone that answers late may have as many outstanding as it answers. A zone that never
answers gets a few a second. (BIND: fetches-per-zone and fetches-per-server; Unbound: ratelimit per zone,
jostle-timeout.)

A zone is silent once its allowance is used up and nothing in it was answered for SILENT_S. Its questions are refused
before they are sent (RFC 9520 section 3). The allowance still grows, and the few questions that it admits find out
whether the zone is back. The first answer ends the silence. A zone is forgotten when its allowance is full again: ten
seconds after it was used up.

A forwarder does not know where zones begin. So a name counts in up to three of them: the registered domain, and two
levels below it. A deeper level has a smaller allowance, so a dead subdomain is refused before it uses up the allowance
of the domain above.
"""

# Admitted and not paid for; paid by the zone alone; paid by zone, client and worker.
FREE, ZONE_PAID, PAID = 0, 1, 2
REFUSED = -1

# A zone without an answer for so long is silent. An upstream restarts in less time.
SILENT_S = 1.0
# How long an allowance that is used up takes to fill.
FILLS_S = 10.0
# Questions at once: of the registered domain, one level below, two levels below. A tenth of that comes each second.
AT_ONCE = (200.0, 100.0, 50.0)
# How many times its first size the allowance of a zone that answers late may reach.
GROWTH = 10.0
# Questions a second, of one client and of all clients.
CLIENT_PER_S, ALL_PER_S = 50.0, 300.0
# Zones remembered for one group of upstreams. Beyond that, zones with a full allowance are forgotten.
MOST_ZONES = 4096

# Below a top level of two letters, a second level of at most so many letters is a public suffix, as in co.uk.
SHORT_LABEL = 3
# Labels of a zone of reverse names: a /16 of IPv4, a /32 of IPv6.
IN_ADDR, IP6 = b"\x07in-addr\x04arpa\x00", b"\x03ip6\x04arpa\x00"
IN_ADDR_LABELS, IP6_LABELS = 4, 10


def zone_of(name: bytes) -> bytes:
    """Return the registered domain of a name in lower case: two labels, or three below a suffix such as co.uk."""
    return zones_of(name)[-1]


def zones_of(name: bytes) -> list[bytes]:
    """Return the zones that a name in lower case counts in, the deepest first: above the name, or `zone_of` alone."""
    starts, place = [], 0
    while length := name[place]:
        starts.append(place)
        place += 1 + length
    count = len(starts)
    if count < 3:
        return [name]
    top, second = starts[count - 1], starts[count - 2]
    labels = 3 if name[top] == 2 and name[second] <= SHORT_LABEL else 2
    if name[top] == 4:
        if name[second:] == IN_ADDR:
            labels = IN_ADDR_LABELS
        elif name[second:] == IP6:
            labels = IP6_LABELS
    own = count - labels if count > labels else 0
    found = []
    index = own - len(AT_ONCE) + 1
    while index < own:
        if index > 0:
            found.append(name[starts[index] :])
        index += 1
    found.append(name[starts[own] :])
    return found


class Allowance:
    """A token bucket: `most` questions at once, `per_s` more each second, and one back for each answer.

    Each answer also raises `most` by one, up to `ceiling`: a zone that answers late may have more outstanding.
    """

    __slots__ = ("at", "ceiling", "left", "most", "per_s", "since")

    def __init__(self, most: float, per_s: float, ceiling: float, now: float) -> None:
        """`since`, for a zone: when its first unanswered question was sent; 0: none is unanswered."""
        self.most = self.left = most
        self.per_s, self.ceiling, self.at = per_s, max(most, ceiling), now
        self.since = 0.0

    def has_one(self, now: float) -> bool:
        """Whether one is left at `now`, by a monotonic clock."""
        if now > self.at:
            self.left = min(self.most, self.left + (now - self.at) * self.per_s)
            self.at = now
        return self.left >= 1.0

    def take(self) -> None:
        self.left = max(0.0, self.left - 1.0)

    def give_back(self) -> None:
        """One was answered."""
        gained = 1.0
        if self.most < self.ceiling:
            self.most += 1.0
            gained = 2.0
        self.left = min(self.most, self.left + gained)


class ZoneShares:
    """The allowances of one worker. `parts`: workers, each with an equal part. `most`: the allowance of all zones.

    `group`: of the upstreams. Names are in lower case. Times are seconds of a monotonic clock.
    """

    __slots__ = ("_all", "_groups", "_parts")

    def __init__(self, most: float, parts: float = 1.0) -> None:
        self._parts = parts
        self._all = Allowance(most, ALL_PER_S / parts, most, 0.0)
        self._groups: dict[str, dict[bytes, Allowance]] = {}

    def __len__(self) -> int:
        return sum([len(zones) for zones in self._groups.values()])

    def forget(self, group: str) -> None:
        """Forget the zones of a group: one of its upstreams is back and may answer them."""
        self._groups.pop(group, None)

    def admits(self, name: bytes, group: str, now: float, client: Allowance | None) -> int:
        """Decide whether a question may be sent: FREE, REFUSED in a silent zone, or PAID if it tests a silent zone.

        `client`: the allowance of the client that asks; None: no client asks.
        """
        zones = self._groups.get(group)
        if not zones:
            return FREE
        silent: list[Allowance] = []
        for suffix in zones_of(name):
            zone = zones.get(suffix)
            if zone is None:
                continue
            has_one = zone.has_one(now)
            if zone.left >= zone.most:
                del zones[suffix]
            elif zone.since and now - zone.since >= SILENT_S:
                if not has_one:
                    return REFUSED
                silent.append(zone)
        if not silent:
            return FREE
        if not self._all.has_one(now) or (client is not None and not client.has_one(now)):
            return REFUSED
        for zone in silent:
            zone.take()
        self._pay(client)
        return PAID

    def goes_on(self, name: bytes, group: str, put_at: float, now: float, client: Allowance | None) -> int:
        """Decide whether a question sent at `put_at` and not answered may be sent again: PAID if so, else FREE."""
        zones = self._groups.get(group)
        if zones:
            for suffix in zones_of(name):
                zone = zones.get(suffix)
                if zone is not None and not zone.has_one(now):
                    return FREE
        if not self._all.has_one(now) or (client is not None and not client.has_one(now)):
            return FREE
        self.charge(name, group, put_at, now)
        self._pay(client)
        return PAID

    def charge(self, name: bytes, group: str, put_at: float, now: float) -> int:
        """Take one from each zone of the name, even from an empty one. Returns ZONE_PAID."""
        zones = self._groups.get(group)
        if zones is None:
            zones = self._groups[group] = {}
        elif len(zones) >= MOST_ZONES:
            self._forget_some(zones, now)
        found = zones_of(name)
        level = len(found) - 1
        for suffix in found:
            zone = zones.get(suffix)
            if zone is None:
                most = max(1.0, AT_ONCE[level] / self._parts)
                zone = zones[suffix] = Allowance(most, most / FILLS_S, most * GROWTH, now)
            if not zone.since:
                zone.since = put_at
            zone.has_one(now)
            zone.take()
            level -= 1
        return ZONE_PAID

    def answered(self, name: bytes, group: str, now: float, paid: int, client: Allowance | None) -> None:
        """Note an answer in the zones of this name. `paid`: the result of `admits`, `goes_on` or `charge`."""
        if paid == PAID:
            self._all.give_back()
            if client is not None:
                client.give_back()
        zones = self._groups.get(group)
        if not zones:
            return
        for suffix in zones_of(name):
            zone = zones.get(suffix)
            if zone is None:
                continue
            zone.since = 0.0
            zone.has_one(now)
            if paid:
                zone.give_back()
            if zone.left >= zone.most:
                del zones[suffix]

    def _pay(self, client: Allowance | None) -> None:
        self._all.take()
        if client is not None:
            client.take()

    def _forget_some(self, zones: dict[bytes, Allowance], now: float) -> None:
        """Forget the zones with a full allowance, or all zones if there are still too many."""
        full = []
        for suffix, zone in zones.items():
            zone.has_one(now)
            if zone.left >= zone.most:
                full.append(suffix)
        for suffix in full:
            del zones[suffix]
        if len(zones) >= MOST_ZONES:
            zones.clear()
