"""The limit of the socket API: bench/c/echo.c (recvmmsg, sendmmsg, one fixed record)."""

from bench.peers.peer import Launch, Peer, Terms


def setup(program: str, terms: Terms) -> Launch:
    return Launch(((program, "127.0.0.1", str(terms.port)),))


ECHO = Peer(
    key="echo",
    title="C echo",
    program="echo",
    setup=setup,
    version_argv=(),
    resolves=False,
    note="not a DNS server: batched receive, one fixed record appended, batched send.",
)
