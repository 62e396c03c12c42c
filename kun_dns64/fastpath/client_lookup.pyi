from kun_dns64.model.rules import ClientNetworks, FollowedLookup

class ClientLookup:
    def __init__(
        self,
        allowed: ClientNetworks,
        trusted: ClientNetworks,
        clients: ClientNetworks,
        followed: FollowedLookup | None = None,
        followed_from: int = 0,
    ) -> None: ...
    def key(self, source: bytes) -> int: ...
    def of(self, source: bytes) -> int: ...
