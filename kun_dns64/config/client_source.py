"""Where the networks of one `[[client]]` come from."""

from dataclasses import dataclass
from pathlib import Path

from kun_dns64.model.rules import IPNetwork


@dataclass(frozen=True, slots=True)
class ClientSource:
    """Where the networks of one `[[client]]` come from. `where`: its key, for faults."""

    where: str
    networks: tuple[IPNetwork, ...] = ()
    files: tuple[Path, ...] = ()
