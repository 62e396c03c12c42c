"""A real GoBGP with a session to another one, both on loopback, as an idle gateway has it."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.authority import free_port
from bench.nat64.spec import ROUTER
from bench.process import BenchError, running
from kun_nat64.drivers.speaker_liveness import established, pulse
from kun_nat64.formats import gobgpconf
from kun_nat64.model.spec import BgpSpec

SESSION_DEADLINE_S = 30.0
BGP_PORT, CONFIG = 179, "gobgpd.conf"
ROUTER_CONFIG = """\
[global.config]
  as = {router_as}
  router-id = "{router}"
  local-address-list = ["{router}"]
  port = {port}
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{gateway}"
    peer-as = {gateway_as}
  [neighbors.transport.config]
    passive-mode = true
"""


@contextmanager
def session(bgp: BgpSpec, folder: Path, cores: Sequence[int]) -> Iterator[None]:
    """The gateway's speaker at its API, and the router that is its only peer. Raises BenchError."""
    if shutil.which("gobgpd") is None:
        raise BenchError("gobgpd is not installed (Debian package gobgpd)")
    router = ROUTER_CONFIG.format(
        router=ROUTER,
        port=BGP_PORT,
        router_as=bgp.peers[0].asn,
        gateway=bgp.next_hop,
        gateway_as=bgp.local_as,
    )
    with (
        running(daemon(f"127.0.0.1:{free_port()}"), cores, configured(folder / "router", router)),
        running(daemon(bgp.api), cores, configured(folder / "gateway", gobgpconf.document(bgp, {}))),
    ):
        wait_until_established(bgp)
        yield


def daemon(api: str) -> tuple[str, ...]:
    return "gobgpd", "-f", CONFIG, "--api-hosts", api, "--pprof-disable"


def configured(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / CONFIG).write_text(text)
    return folder


def wait_until_established(bgp: BgpSpec) -> None:
    end = time.monotonic() + SESSION_DEADLINE_S
    while not established(pulse(bgp.api)):
        if time.monotonic() > end:
            raise BenchError(f"no BGP session with {ROUTER} within {SESSION_DEADLINE_S:.0f} s")
        time.sleep(0.2)
