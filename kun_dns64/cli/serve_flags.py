"""The flags of `serve`, read without the command-line library: it costs a quarter of the time to the first answer.

Whatever is not plainly understood here (--help, an unknown flag, a missing value) is left to `cli/main.py`.
"""

from pathlib import Path

from kun_dns64.config.background_load import Source
from kun_dns64.config.flags import Flags

ONCE = ("--config", "--vip", "--workers", "--admin")
MANY = ("--listen", "--upstream", "--prefix")


def read_flags(arguments: list[str]) -> Source | None:
    """None: let the command-line library have a look."""
    once: dict[str, str] = {}
    many: dict[str, list[str]] = {flag: [] for flag in MANY}
    rest = list(reversed(arguments))
    while rest:
        flag, equals, value = rest.pop().partition("=")
        if not equals:
            if not rest or rest[-1].startswith("--"):
                return None
            value = rest.pop()
        if flag in ONCE and flag not in once:
            once[flag] = value
        elif flag in MANY:
            many[flag].append(value)
        else:
            return None
    flags = Flags(
        tuple(many["--listen"]),
        tuple(many["--upstream"]),
        once.get("--vip"),
        tuple(many["--prefix"]),
        once.get("--workers"),
        once.get("--admin"),
    )
    return Source(Path(once["--config"]) if "--config" in once else None, flags)
