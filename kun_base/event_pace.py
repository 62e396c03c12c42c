"""How often an event may be written: a log must stay readable, and its disk free, whatever flaps. Pure."""

from collections import OrderedDict

MOST_KEYS = 4096


class EventPace:
    """Of one key, `burst` events at once, then one every `every_s`. Those between are counted for the next one."""

    def __init__(self, every_s: float, burst: int = 1) -> None:
        self._every_s, self._burst = every_s, burst
        # By key: when the allowance is used up to, and how many were held back. The oldest go first.
        self._known: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def allows(self, key: str, now: float) -> int | None:
        """Return how many events of this key were held back since the last one; None: hold this one back, too."""
        used, held = self._known.pop(key, (float("-inf"), 0))
        used = max(used, now - self._burst * self._every_s)
        if used + self._every_s > now + 1e-9:
            self._known[key] = used, held + 1
            return None
        self._known[key] = used + self._every_s, 0
        while len(self._known) > MOST_KEYS:
            self._known.popitem(last=False)
        return held
