"""Times and durations as Kubernetes writes them."""

from datetime import UTC, datetime

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(duration: str) -> int:
    """Seconds in 90s, 10m, 2h or 1d."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def unix_time(text: str) -> float:
    """Unix seconds of RFC 3339 text; 0 for "". Raises ValueError."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def rfc3339(unix_s: float) -> str:
    """RFC 3339 text in UTC, whole seconds: 2026-11-30T12:00:00Z."""
    return datetime.fromtimestamp(int(unix_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
