"""GoBGP through its gRPC API, of version 3 or 4: whichever answers."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, ip_network

from kun_nat64.drivers.grpc import GrpcClient, Unimplemented
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.drivers.withdraw_all import withdraw_all
from kun_nat64.formats import gobgpapi
from kun_nat64.formats.gobgpapi import V3, V4, Dialect
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import BgpPath, Facts, Neighbour
from kun_nat64.model.plan import Action, Change

DEADLINE_S = 3.0
NOBODY = IPv4Address(0)


class GobgpSpeaker:
    """`api`: ADDRESS:PORT, or unix:///path. `next_hop`: what the speaker's 0.0.0.0 stands for.

    Looks and changes have a connection each: a withdrawal never waits for a look.
    """

    def __init__(self, api: str, next_hop: IPv4Address = NOBODY) -> None:
        self._api, self._next_hop = api, str(next_hop)
        self._looks, self._changes = _Api(api), _Api(api)

    async def observe_paths(self, prefixes: Iterable[str]) -> Facts:
        """Paths for these prefixes that were injected here. Raises DriverError."""
        wanted = {ip_network(prefix) for prefix in prefixes}
        found: set[BgpPath] = set()
        for version in sorted({prefix.version for prefix in wanted}):
            found.update(one.path for one in await self._table(version) if one.local and one.path.prefix in wanted)
        return frozenset(found)

    async def _table(self, version: int) -> list[gobgpapi.FoundPath]:
        answers, dialect = await self._looks.ask("ListPath", lambda dialect: gobgpapi.list_paths(dialect, version))
        with understanding("grpc", self._api, "ListPath"):
            return [path for answer in answers for path in gobgpapi.read_paths(dialect, answer, self._next_hop)]

    async def observe_neighbours(self, versions: Collection[int]) -> tuple[Neighbour, ...]:
        """Every neighbour; for those with a session what it was sent of these families. Raises DriverError."""
        answers, _ = await self._looks.ask("ListPeer", lambda dialect: gobgpapi.list_peers())
        with understanding("grpc", self._api, "ListPeer"):
            neighbours = [gobgpapi.read_peer(answer) for answer in answers]
        return tuple([await self._with_adj_out(one, versions) for one in neighbours])

    async def _with_adj_out(self, neighbour: Neighbour, versions: Collection[int]) -> Neighbour:
        if not neighbour.established:
            return neighbour
        sent = [prefix for version in sorted(versions) for prefix in await self._sent(neighbour.address, version)]
        return replace(neighbour, advertised=tuple(sent))

    async def _sent(self, address: str, version: int) -> list[str]:
        """Nothing of a family that the session does not carry."""
        answers, _ = await self._looks.ask("ListPath", lambda dialect: gobgpapi.list_paths(dialect, version, address))
        with understanding("grpc", self._api, "ListPath"):
            return [gobgpapi.read_prefix(answer) for answer in answers]

    async def apply(self, change: Change) -> None:
        """Adding a path replaces the one that is there; removing one that is not there does nothing."""
        path = change.fact
        assert isinstance(path, BgpPath)
        if change.action is Action.REMOVE:
            await self._changes.ask("DeletePath", lambda dialect: gobgpapi.delete_path(dialect, path))
        else:
            await self._changes.ask("AddPath", lambda dialect: gobgpapi.add_path(dialect, path))

    def withdraw_blocking(self, prefixes: Iterable[str]) -> None:
        """For a thread, when the event loop hangs. Raises DriverError after having tried them all."""
        asyncio.run(withdraw_all(GobgpSpeaker(self._api), tuple(prefixes)))

    def close(self) -> None:
        self._looks.close()
        self._changes.close()


class _Api:
    """Finds out once per connection which version the other side speaks."""

    def __init__(self, where: str) -> None:
        self._client = GrpcClient(where)
        self._dialect: Dialect | None = None

    async def ask(self, method: str, request: Callable[[Dialect], bytes]) -> tuple[list[bytes], Dialect]:
        known = (self._dialect,) if self._dialect else ()
        for dialect in (*known, *(one for one in (V4, V3) if one not in known)):
            with contextlib.suppress(Unimplemented):
                path = f"/{dialect.service}/{method}"
                answers = await self._client.call(path, request(dialect), DEADLINE_S)
                self._dialect = dialect
                return answers, dialect
        argv = ("grpc", method)
        raise DriverError(FailureKind.GARBAGE, argv, "knows neither the API of GoBGP 3 nor that of GoBGP 4")

    def close(self) -> None:
        self._client.close()
