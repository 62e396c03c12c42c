"""Jool's global settings that we know: their kinds, limits, and the values that an egress gateway wants.

Canonical values are texts: `true`/`false`, whole numbers, times as H:MM:SS, lists with commas. Source: `jool global`
of Jool 4.1.9 to 4.1.15.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    BOOL = "bool"
    NUMBER = "number"
    TIME = "time"
    NUMBERS = "numbers"


WANTED = {
    Kind.BOOL: "true or false",
    Kind.NUMBER: "a number",
    Kind.TIME: 'a time, for example "0:05:00" or seconds',
    Kind.NUMBERS: 'numbers with commas between them, for example "1500,1280,68"',
}


@dataclass(frozen=True, slots=True)
class Setting:
    """`wanted` is what we set without being asked; "" leaves Jool's default unobserved. `low` in seconds for times."""

    kind: Kind
    wanted: str = ""
    low: int = 0
    high: int = 2**32 - 1


SETTINGS: dict[str, Setting] = {
    "manually-enabled": Setting(Kind.BOOL, "true"),
    "lowest-ipv6-mtu": Setting(Kind.NUMBER, "1280", 1280, 65535),
    "logging-debug": Setting(Kind.BOOL),
    "zeroize-traffic-class": Setting(Kind.BOOL, "false"),
    "override-tos": Setting(Kind.BOOL, "false"),
    "tos": Setting(Kind.NUMBER, "", 0, 255),
    "mtu-plateaus": Setting(Kind.NUMBERS, "65535,32000,17914,8166,4352,2002,1492,1006,508,296,68", 68, 65535),
    "address-dependent-filtering": Setting(Kind.BOOL, "false"),
    # Nobody outside opens connections to pods: this is a way out, not a way in.
    "drop-externally-initiated-tcp": Setting(Kind.BOOL, "true"),
    "drop-icmpv6-info": Setting(Kind.BOOL, "false"),
    "source-icmpv6-errors-better": Setting(Kind.BOOL, "true"),
    # 8 hashes the source address only: a pod keeps one public address (paired pooling, RFC 4787 REQ-2).
    "f-args": Setting(Kind.NUMBER, "8", 0, 15),
    # Without it a half-closed connection holds its port for the established time-out of two hours.
    "handle-rst-during-fin-rcv": Setting(Kind.BOOL, "true"),
    "tcp-est-timeout": Setting(Kind.TIME, "2:00:00", 7200),
    "tcp-trans-timeout": Setting(Kind.TIME, "0:04:00", 240),
    "udp-timeout": Setting(Kind.TIME, "0:05:00", 120),
    "icmp-timeout": Setting(Kind.TIME, "0:01:00"),
    "logging-bib": Setting(Kind.BOOL),
    "logging-session": Setting(Kind.BOOL),
    "maximum-simultaneous-opens": Setting(Kind.NUMBER),
    "ss-enabled": Setting(Kind.BOOL),
    "ss-flush-asap": Setting(Kind.BOOL),
    "ss-flush-deadline": Setting(Kind.NUMBER),
    "ss-capacity": Setting(Kind.NUMBER),
    "ss-max-payload": Setting(Kind.NUMBER),
}

# Before it the kernel takes bit 0 of a packet's class for a flag of the route look-up (RTO_ONLINK) and finds no route;
# Jool, of any version, asks with the packet's class, and sends with what the look-up leaves of it. Seen: 6.1, 6.12.
CLASSES_ARE_SAFE_FROM = (6, 12)


def class_settings(kernel: tuple[int, ...]) -> dict[str, str]:
    """What keeps packets with a traffic class from being dropped. `kernel` (): not known, so nothing."""
    return {"override-tos": "true", "tos": "0"} if kernel and kernel < CLASSES_ARE_SAFE_FROM else {}


# Those that have a key of their own in the configuration file.
MANAGED_BY_KEY: dict[str, str] = {
    "tcp-est-timeout": "tcp_established_s",
    "tcp-trans-timeout": "tcp_transitory_s",
    "udp-timeout": "udp_s",
    "icmp-timeout": "icmp_s",
    "lowest-ipv6-mtu": "lowest_ipv6_mtu",
    "pool6": "pool6",
}


def time_text(seconds: int) -> str:
    """7200 as Jool writes it: 2:00:00."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def time_seconds(text: str) -> int:
    """`H:MM:SS`, `M:SS` or `S`, a fraction of a second cut off. Raises ValueError."""
    seconds = 0
    for part in text.split(".")[0].split(":"):
        seconds = seconds * 60 + int(part)
    return seconds


def canonical(name: str, value: str | bool | int) -> str:
    """One text for one meaning. Unknown names keep their value. Raises ValueError for what does not fit the kind."""
    text = str(value).strip().lower()
    setting = SETTINGS.get(name)
    match setting.kind if setting else None:
        case Kind.BOOL:
            return {"true": "true", "1": "true", "yes": "true", "on": "true"}.get(text) or _false(text)
        case Kind.NUMBER:
            return str(int(text))
        case Kind.TIME:
            return time_text(time_seconds(text))
        case Kind.NUMBERS:
            # Jool sorts them, the largest first.
            return ",".join(map(str, sorted({int(part) for part in text.split(",")}, reverse=True)))
        case _:
            return str(value).strip()


def _false(text: str) -> str:
    if text not in ("false", "0", "no", "off"):
        raise ValueError(f"{text!r} is neither true nor false")
    return "false"


def problem_of(name: str, value: str | bool | int) -> str | None:
    """Why Jool would refuse `value`, or None."""
    if name not in SETTINGS:
        return f"is not a global setting of Jool that can be managed; known: {', '.join(SETTINGS)}"
    setting = SETTINGS[name]
    try:
        text = canonical(name, value)
    except ValueError:
        return f"must be {WANTED[setting.kind]}"
    match setting.kind:
        case Kind.BOOL:
            return None
        case Kind.TIME:
            found = [time_seconds(text)]
        case Kind.NUMBER | Kind.NUMBERS:
            found = list(map(int, text.split(",")))
    inside = all(setting.low <= number <= setting.high for number in found)
    return None if inside else f"must be from {setting.low} to {setting.high}"
