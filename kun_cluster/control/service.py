"""`kun-controller run`: from flags to a running controller, and its end."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network

from kun_base.admin_access import Access
from kun_base.adminhttp import AdminServer
from kun_base.errors import ConfigError, Fault
from kun_base.journal import Journal as Log
from kun_base.library_log import send_library_logs_to
from kun_base.notify import notify
from kun_cluster.control.admin_pages import pages
from kun_cluster.control.controller import Controller
from kun_cluster.serving.table_server import read_tokens, tls_context
from kun_cluster.watch.kube_client import KubeClient

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Settings:
    """The flags of `run`. Addresses are host and port. `admin_allow`: networks; (): those of Access."""

    kubeconfig: str
    listen: tuple[str, int]
    admin: tuple[str, int]
    admin_allow: tuple[str, ...]
    token_file: str
    certificate: str
    key: str
    cluster: str
    namespace: str
    identity: str
    writes: bool
    log_format: str


def endpoint(flag: str, text: str) -> tuple[str, int]:
    """Host and port of ADDR:PORT or [ADDR]:PORT. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not port.isdigit() or int(port) > 65535 or (":" in bare) is not host.startswith("["):
        raise ConfigError(flag, [Fault(flag, repr(text), 'must be ADDR:PORT, for example "[::]:9467"')])
    return bare, int(port)


def admin_access(networks: tuple[str, ...]) -> Access:
    """Build who may read the admin pages. Raises ConfigError with every network that is none."""
    found, faults = [], []
    for text in networks:
        try:
            found.append(ip_network(text))
        except ValueError as error:
            faults.append(Fault("--admin-allow", repr(text), f'must be a network, for example "10.0.0.0/8": {error}'))
    if faults:
        raise ConfigError("--admin-allow", faults)
    return Access(allow=tuple(found)) if found else Access()


def serve(settings: Settings) -> int:
    """Run until SIGTERM. Raises ConfigError."""
    if settings.listen[0] not in LOOPBACK:
        needs = (
            (settings.certificate, "needs TLS on an address that is not loopback: --tls-certificate and --tls-key"),
            (settings.token_file, "needs tokens on an address that is not loopback: --token-file"),
        )
        faults = [Fault("--listen", settings.listen[0], wanted) for given, wanted in needs if not given]
        if faults:
            raise ConfigError("--listen", faults)
    return asyncio.run(_serve(settings))


def token_source(file: str) -> Callable[[], list[str]] | None:
    """Read the tokens whenever they are asked for: a changed secret counts at once, a broken file leaves the old ones.

    `file` "": no token is wanted. Raises ConfigError when there are none to begin with.
    """
    if not file:
        return None
    last = read_tokens(file)

    def tokens() -> list[str]:
        nonlocal last
        with suppress(ConfigError):
            last = read_tokens(file)
        return last

    return tokens


async def _serve(settings: Settings) -> int:
    log = Log("kun-controller", as_json=settings.log_format == "json")
    send_library_logs_to(log)
    access = admin_access(settings.admin_allow)
    tokens = token_source(settings.token_file)
    context = tls_context(settings.certificate, settings.key) if settings.certificate else None
    client = KubeClient(settings.kubeconfig)
    controller = Controller(
        client,
        cluster=settings.cluster,
        namespace=settings.namespace,
        identity=settings.identity,
        writes=settings.writes,
        tokens=tokens,
        log=log,
    )
    admin = AdminServer(pages(controller), access=lambda: access)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        port = await controller.server.start(*settings.listen, context)
        admin_port = await admin.start(*settings.admin)
        log.info("listening", port=port, admin_port=admin_port, identity=settings.identity)
        notify("READY=1")
        await controller.run(stop)
    except OSError as error:
        log.error("cannot-listen", error=str(error))
        return 1
    finally:
        notify("STOPPING=1")
        await controller.server.close()
        await admin.close()
        await client.close()
    return 0
