"""Commands that ask or steer the running server over its control socket."""

import time
from pathlib import Path
from typing import Annotated

import typer

from kun_base.command_line import CommandLine, ExitCodes
from kun_base.control_client import NoServer
from kun_dns64.cli import tables
from kun_dns64.cli.running_server import Target, fail, keep_showing, show

Socket = Annotated[
    Path | None, typer.Option("--socket", help="Control socket; default: where --config or the system puts it.")
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="The server's file (default /etc/kun/kun-dns64.toml).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Seconds = Annotated[float, typer.Option(min=0.1, max=4.0, help="Length of the sample.")]
Watch = Annotated[bool, typer.Option("--watch", help="Redraw until q or Ctrl-C.")]

NO_SERVER = {1: "no server answers, or it refuses"}
EXITS: dict[str, ExitCodes] = {
    "status": {0: "ready", 1: "not ready, or no server answers"},
    "reload": {0: "the new configuration is in force", 1: "the file is refused, or no server answers"},
    "upstreams": {0: "an upstream is up", 1: "all are down, or no server answers"},
    "test": {0: "no step failed", 1: "a step failed"},
}


def add_to(app: CommandLine) -> None:
    """Register the commands of this file."""
    for name, function, example in COMMANDS:
        app.command(name, epilog=f"Example: kun-dns64 {example}", exits=EXITS.get(name, NO_SERVER))(function)


def status(socket: Socket = None, config: Config = None, watched: Watch = False, as_json: AsJson = False) -> None:
    """Show the running server: readiness, prefixes, workers, cache."""
    if watched and not as_json:
        keep_showing(Target(socket, config), "/status", None, tables.status_text)
        return
    value = show(Target(socket, config), "/status", None, tables.status_text, as_json=as_json)
    if not value["ready"]["forward"]:
        raise typer.Exit(1)


def reload(socket: Socket = None, config: Config = None, as_json: AsJson = False) -> None:
    """Reload the file; show what changed and what needs a restart."""
    show(Target(socket, config), "/reload", None, tables.reload_text, as_json=as_json, method="POST")


def flush(
    name: Annotated[str | None, typer.Argument(help="The name to remove.")] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Also the names below it.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="The whole cache.")] = False,
    socket: Socket = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Remove cached answers: of one name, of a subtree, or all."""
    if (name is None) != everything or (everything and tree):
        raise typer.BadParameter("give a NAME (with --tree or without), or --all")
    fields = {"all": "1"} if name is None else {"name": name, **({"tree": "1"} if tree else {})}
    show(Target(socket, config), "/flush", fields, tables.flushed_text, as_json=as_json, method="POST")


def cache(
    name: Annotated[str, typer.Argument(help="The name to look up.")],
    socket: Socket = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the cached answers for a name."""
    show(Target(socket, config), "/cache", {"name": name}, tables.cache_text, as_json=as_json)


def upstreams(socket: Socket = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show each upstream: up or down, and its latency."""
    value = show(Target(socket, config), "/upstreams", None, tables.upstreams_text, as_json=as_json)
    if not any(one["up"] for one in value["upstreams"]):
        raise typer.Exit(1)


def pools(socket: Socket = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show the egress pools, their prefixes and gateways."""
    show(Target(socket, config), "/pools", None, tables.pools_text, as_json=as_json)


def clients(
    address: Annotated[str, typer.Argument(metavar="ADDR", help="A client's address.")],
    socket: Socket = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the rules for one client: allowed, class, pool."""
    show(Target(socket, config), "/clients", {"address": address}, tables.client_text, as_json=as_json)


def log_level(
    level: Annotated[str, typer.Argument(help="debug, info, warning or error.")],
    socket: Socket = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Set the log level until the next reload."""
    show(
        Target(socket, config),
        "/log-level",
        {"level": level},
        lambda value: f"log level {value['log_level']} until {value['until']}",
        as_json=as_json,
        method="POST",
    )


def table(
    accept: Annotated[bool, typer.Option("--accept", help="Bring the held change into force.")] = False,
    version: Annotated[str, typer.Option("--version", help="With --accept: only if this version is held.")] = "",
    socket: Socket = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the followed table: its version and age, and what is held. Exit 1 where nothing is followed."""
    target = Target(socket, config)
    if accept:
        fields = {"version": version} if version else None
        show(target, "/table/accept", fields, tables.followed_text, as_json=as_json, method="POST")
    else:
        show(target, "/table", None, tables.followed_text, as_json=as_json)


def top(
    names: Annotated[bool, typer.Option("--names", help="By name (the default).")] = False,
    clients: Annotated[bool, typer.Option("--clients", help="By client address.")] = False,
    pools: Annotated[bool, typer.Option("--pools", help="By egress pool.")] = False,
    seconds: Seconds = 1.0,
    watched: Watch = False,
    socket: Socket = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the most frequent names, clients or pools."""
    if names + clients + pools > 1:
        raise typer.BadParameter("give one of --names, --clients, --pools")
    by = "clients" if clients else "pools" if pools else "names"
    fields = {"by": by, "seconds": str(seconds)}
    if watched and not as_json:
        keep_showing(Target(socket, config), "/top", fields, tables.top_text)
        return
    show(Target(socket, config), "/top", fields, tables.top_text, as_json=as_json)


def tail(
    only: Annotated[str, typer.Option("--filter", help="Only lines that contain this text.")] = "",
    seconds: Annotated[float, typer.Option(min=0.0, help="End after so many seconds; 0: at Ctrl-C.")] = 0.0,
    socket: Socket = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Print queries as they arrive, sampled under load."""
    target, ends = Target(socket, config), time.monotonic() + seconds
    while not seconds or time.monotonic() < ends:
        look_s = min(1.0, max(0.1, ends - time.monotonic())) if seconds else 1.0
        try:
            answer = target.ask("/tail", {"seconds": f"{look_s:.2f}", "filter": only})
        except NoServer as error:
            fail(str(error), as_json=as_json)
        if not answer.ok:
            fail(str(answer.value.get("error", answer.status)), as_json=as_json)
        for line in _tail_lines(answer.value, as_json):
            typer.echo(line)


def path_test(
    server: Annotated[
        str, typer.Option("--server", help="ADDR or ADDR:PORT of the DNS server that pods use.")
    ] = "127.0.0.1:5353",
    name: Annotated[str, typer.Option("--name", help="A name with an A record and no AAAA.")] = "ipv4only.arpa",
    target: Annotated[str, typer.Option("--target", help="IPV4:PORT to connect to through the gateways.")] = "",
    as_json: AsJson = False,
) -> None:
    """Test DNS, prefix, route and connection from here."""
    from kun_base.path_test import parse_target
    from kun_dns64.cli.path_test import run_path_test
    from kun_dns64.config.endpoint import DNS_PORT, Endpoint

    try:
        endpoint, reached = Endpoint.parse(server, DNS_PORT), parse_target(target) if target else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(run_path_test(endpoint, name, reached, as_json=as_json))


def support_bundle(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; it must not exist.")] = None,
    socket: Socket = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write what support needs into one tar file.

    Configuration (secrets masked), status, log and versions.
    """
    from kun_dns64.cli.support_bundle import make_bundle

    try:
        make_bundle(Target(socket, config), output, as_json=as_json)
    except OSError as error:
        fail(f"cannot write the bundle: {error}", as_json=as_json)


def _tail_lines(value: tables.JSON, as_json: bool) -> list[str]:
    """JSON: one object a line, as collectors read it."""
    import json

    return [json.dumps(one) for one in value["queries"]] if as_json else tables.tail_lines(value)


COMMANDS = (
    ("status", status, "status"),
    ("reload", reload, "reload"),
    ("flush", flush, "flush example.org --tree"),
    ("cache", cache, "cache www.example.org"),
    ("upstreams", upstreams, "upstreams --json"),
    ("pools", pools, "pools"),
    ("clients", clients, "clients 2001:db8::7"),
    ("log-level", log_level, "log-level debug"),
    ("table", table, "table --accept"),
    ("top", top, "top --clients"),
    ("tail", tail, "tail --filter NXDOMAIN"),
    ("test", path_test, "test --server 127.0.0.1:5353 --target 192.0.2.80:80"),
    ("support-bundle", support_bundle, "support-bundle"),
)
