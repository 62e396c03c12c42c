"""Times and durations as Kubernetes writes them."""

from datetime import UTC, datetime

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# The years 1970 to 9999, in Unix seconds.
EARLIEST, LATEST = 0.0, 253_402_300_799.0


def seconds_of(duration: str) -> int:
    """Seconds in 90s, 10m, 2h or 1d."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def unix_time(text: str) -> float:
    """Unix seconds of RFC 3339 text; 0 for "". Raises ValueError, also for a time that `rfc3339` cannot write.

    The API server's format `date-time` lets more pass: a zone of +99:99, the year 0.
    """
    if not text:
        return 0.0
    try:
        unix_s = datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        unix_s = EARLIEST - 1
    if not EARLIEST <= unix_s <= LATEST:
        raise ValueError('must be a time from 1970 to 9999, for example "2026-11-30T12:00:00Z"')
    return unix_s


def rfc3339(unix_s: float) -> str:
    """RFC 3339 text in UTC, whole seconds: 2026-11-30T12:00:00Z. `unix_s`: from EARLIEST to LATEST."""
    return datetime.fromtimestamp(int(unix_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
