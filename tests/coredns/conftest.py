"""The chain of the picture: client, real CoreDNS with the shipped Corefile, real kun-dns64, an upstream server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.coredns.authority import Authority
from tests.coredns.coredns_build import NoGo, built
from tests.coredns.programs import Program, kun_dns64, page
from tests.ports import free_port

SHIPPED = Path(__file__).resolve().parent.parent.parent / "gateway-config" / "coredns"


@pytest.fixture(scope="session")
def coredns_binary() -> str:
    try:
        return str(built("coredns"))
    except NoGo as error:
        pytest.skip(str(error))


def shipped_environment() -> dict[str, str]:
    lines = (SHIPPED / "coredns.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@dataclass
class Chain:
    authority: Authority
    dns64: Program
    coredns: Program
    port: int
    metrics_port: int

    def ask(self, name: str, kind: str, *, tcp: bool = False, source: str | None = None) -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        send: Callable[..., dns.message.Message] = dns.query.tcp if tcp else dns.query.udp
        return send(query, "127.0.0.1", timeout=5, port=self.port, source=source)

    def asked_upstream(self, name: str) -> list[str]:
        return [kind for asked, kind in self.authority.asked if asked == name]

    def metric(self, start: str) -> float:
        """Sum of CoreDNS's series that begin so."""
        lines = page(f"http://127.0.0.1:{self.metrics_port}/metrics").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))

    def start_dns64(self) -> None:
        self.dns64.start(lambda output: "ready" in output)


MakeChain = Callable[[str, str], Chain]


@pytest.fixture(scope="module")
def make_chain(coredns_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeChain]:
    """`make_chain(name of the Corefile, more lines for kun-dns64.toml)`, running until the module ends."""
    chains: list[Chain] = []

    def make(corefile: str, rules: str) -> Chain:
        folder = tmp_path_factory.mktemp("chain")
        authority, dns64_port, ready_port = Authority(), free_port(), free_port()
        authority.start()
        config = f"""
[server]
listen = ["127.0.0.1:{dns64_port}"]
workers = 1
trust_ecs_from = ["127.0.0.1/32"]
[admin]
listen = "127.0.0.1:{free_port()}"
[upstream]
servers = ["udp://127.0.0.1:{authority.port}"]
[dns64]
vip = "203.0.113.1"
{rules}"""
        environment = shipped_environment() | {
            "COREDNS_PORT": str(free_port()),
            "COREDNS_HEALTH": f"127.0.0.1:{free_port()}",
            "COREDNS_READY": f"127.0.0.1:{ready_port}",
            "COREDNS_METRICS": f"127.0.0.1:{free_port()}",
            "OWN_ZONE_FILE": str(SHIPPED / "cluster.local.zone"),
            "KUN_DNS64": f"127.0.0.1:{dns64_port}",
            "KUN_DNS64_SECOND": f"127.0.0.1:{free_port()}",  # nobody there: the health check has something to find
        }
        coredns = Program([coredns_binary, "-conf", str(SHIPPED / corefile)], folder / "coredns.log", environment)
        metrics_port = int(environment["COREDNS_METRICS"].rsplit(":", 1)[1])
        chain = Chain(authority, kun_dns64(folder, config), coredns, int(environment["COREDNS_PORT"]), metrics_port)
        chains.append(chain)
        chain.start_dns64()
        coredns.start(lambda _: page(f"http://127.0.0.1:{ready_port}/ready") == "OK")
        return chain

    yield make
    for chain in chains:
        chain.coredns.stop()
        chain.dns64.stop()
        chain.authority.stop()
