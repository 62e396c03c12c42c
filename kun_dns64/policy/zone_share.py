# cython: annotation_typing=False
"""Shares in questions that are not answered at once, and the zones in which nothing is answered.

One source for both builds: the compiled path calls it as C (zone_share.pxd).

A question that its upstream does not answer within the retransmission timeout costs more than a hundred that it does:
it is put again, by other ways, and waited for. So each zone, each client and all together have an allowance of such
questions, which comes back with each answer: who is answered late has as many as answers come, and who is never
answered has few a second. (BIND: fetches-per-zone and fetches-per-server, which shrink with the share of timeouts;
Unbound: ratelimit per zone, jostle-timeout.)

A zone that has used up its allowance, and in which nothing was answered for SILENT_S, is silent: what is asked there is
refused before it is put (RFC 9520 section 3), but for as many questions as the allowance still grows by, which find out
whether it is back. The first answer ends it. Nothing is kept of a zone longer than its allowance takes to fill: ten
seconds where it is used up, no time where it is asked so seldom that it never was.

What is one zone cannot be known from here, so a name counts in several: the domain that somebody has registered, and
two levels below it. The deeper one has the smaller allowance, so a dead zone is refused by what it is itself, and
leaves to its neighbours what the domain above has.
"""

# Not refused and nothing taken; paid by the zone alone; paid by zone, client and all.
FREE, ZONE_PAID, PAID = 0, 1, 2
REFUSED = -1

# Nothing answered for so long. An upstream that restarts takes less.
SILENT_S = 1.0
# How long an allowance that is used up takes to fill.
FILLS_S = 10.0
# At once, of the registered domain, one level below and two; a tenth of that comes each second.
AT_ONCE = (200.0, 100.0, 50.0)
# As a zone that is answered late may grow, in such as it has at first.
GROWTH = 10.0
# A second, of one client and of all together; at once as many as may wait, or be out.
CLIENT_PER_S, ALL_PER_S = 50.0, 300.0
# Zones of one group of upstreams about which something is remembered, before those that need not be are looked for.
MOST_ZONES = 4096

# A second-level domain under which others register has at most so many letters, where the top level has two.
SHORT_LABEL = 3
# Labels of a zone where addresses are names: a /16, and a /32.
IN_ADDR, IP6 = b"\x07in-addr\x04arpa\x00", b"\x03ip6\x04arpa\x00"
IN_ADDR_LABELS, IP6_LABELS = 4, 10


def zone_of(name: bytes) -> bytes:
    """What counts as one zone: two labels of a name in lower case, three below the likes of co.uk."""
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
    """`most` at once and `per_s` more each second, as they are used up; one back for each that is answered.

    With each answer it grows by one, up to `ceiling`: what is answered late may have more out.
    """

    __slots__ = ("at", "ceiling", "left", "most", "per_s", "since")

    def __init__(self, most: float, per_s: float, ceiling: float, now: float) -> None:
        """`since`, where it is a zone's: when the first question was put that is not answered; 0: none is."""
        self.most = self.left = most
        self.per_s, self.ceiling, self.at = per_s, max(most, ceiling), now
        self.since = 0.0

    def has_one(self, now: float) -> bool:
        """Whether one is left at `now` of a monotonic clock."""
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
    """Of one worker, of `parts`, which have equal parts of it. `most`: questions that may be out.

    `group` is that of the upstreams; names are in lower case, times those of a monotonic clock.
    """

    __slots__ = ("_all", "_groups", "_parts")

    def __init__(self, most: float, parts: float = 1.0) -> None:
        self._parts = parts
        self._all = Allowance(most, ALL_PER_S / parts, most, 0.0)
        self._groups: dict[str, dict[bytes, Allowance]] = {}

    def __len__(self) -> int:
        return sum([len(zones) for zones in self._groups.values()])

    def forget(self, group: str) -> None:
        """An upstream of the group is back, so what was not answered may be now."""
        self._groups.pop(group, None)

    def admits(self, name: bytes, group: str, now: float, client: Allowance | None) -> int:
        """Whether a question may be put: REFUSED in a silent zone, or PAID where it is one to find out.

        `client`: whose it is; None: nobody's.
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
        """PAID where a question that was put at `put_at` and not answered may be put again; FREE: it may not."""
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
        """ZONE_PAID: each zone of the name has one less, those that had none left too."""
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
        """Something is answered in the zones of this name. `paid`: what `admits`, `goes_on` or `charge` has said."""
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
        """Those whose allowance is full, else all: silence is found out again."""
        full = []
        for suffix, zone in zones.items():
            zone.has_one(now)
            if zone.left >= zone.most:
                full.append(suffix)
        for suffix in full:
            del zones[suffix]
        if len(zones) >= MOST_ZONES:
            zones.clear()
