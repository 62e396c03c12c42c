"""The commands with their flags, help and examples, on typer."""

import json
from pathlib import Path
from typing import Annotated

import typer

from kun_base.command_line import CommandLine
from kun_base.version import build, version
from kun_dns64.cli.server_commands import add_to
from kun_dns64.config.flags import Flags

EXAMPLE = """
Examples:

  kun-dns64 serve

  kun-dns64 serve --vip 203.0.113.1 --upstream udp://192.0.2.53 --listen 127.0.0.1:5353

  kun-dns64 serve --config /etc/kun/kun-dns64.toml

  kun-dns64 status

  kun-dns64 explain www.example.org
"""

app = CommandLine("DNS64 server that knows its gateways and its clients.", EXAMPLE)

# `readable=False`: whoever reads a file says why it cannot be read, as with every other error of a file.
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The TOML file.", show_default=False, readable=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def _version(asked: bool) -> None:
    if asked:
        from kun_dns64.fastpath.selection import COMPILED

        typer.echo(f"kun-dns64 {version()} ({'compiled' if COMPILED else 'pure Python'}), {build()}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")]


@app.callback()
def _common(_show: Version = False) -> None:
    return None


@app.command(epilog="Example: kun-dns64 serve --vip 203.0.113.1 --upstream tls://192.0.2.53@dns.example")
def serve(
    config: ConfigFile = None,
    listen: Annotated[
        list[str] | None, typer.Option(metavar="ADDR:PORT", help="Listen here by UDP and TCP; may be repeated.")
    ] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="udp://, tcp://, tls:// or https:// upstream; may be repeated."),
    ] = None,
    vip: Annotated[str | None, typer.Option(help="IPv4 address that the gateways announce.")] = None,
    prefix: Annotated[
        list[str] | None, typer.Option(metavar="IPV6/LEN", help="NAT64 prefix, instead of --vip; may be repeated.")
    ] = None,
    workers: Annotated[str | None, typer.Option(metavar="NUMBER", help="Worker processes; 0: one per core.")] = None,
    admin: Annotated[
        str | None, typer.Option(metavar="ADDR:PORT", help="For /healthz, /metrics and /status; '': none.")
    ] = None,
) -> None:
    """Serve DNS.

    A flag overrides the key of the file. With neither, the defaults of the configuration file apply.
    """
    from kun_dns64.config.background_load import Source
    from kun_dns64.processes.serve import serve as serve_until_stopped

    flags = Flags(tuple(listen or ()), tuple(upstream or ()), vip, tuple(prefix or ()), workers, admin)
    raise typer.Exit(serve_until_stopped(Source(config, flags)))


@app.command("check-config", epilog="Example: kun-dns64 check-config /etc/kun/kun-dns64.toml")
def check_config(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="TOML files; - is standard input.", readable=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Check files and the files they name: every error, each with its line."""
    from kun_base.config_check import check_files
    from kun_dns64.cli.check_config import meaning_of

    raise typer.Exit(check_files(files, meaning_of, as_json=as_json))


@app.command(epilog="Example: kun-dns64 explain www.example.org AAAA --client 2001:db8::7")
def explain(
    name: Annotated[str, typer.Argument(help="The name to ask for.")],
    rtype: Annotated[str, typer.Argument(metavar="TYPE", help="The record type.")] = "AAAA",
    config: ConfigFile = None,
    client: Annotated[str, typer.Option(help="Answer as this client would be answered.")] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the running server: start from the file alone.")
    ] = False,
    socket: Annotated[Path | None, typer.Option("--socket", help="Control socket of the running server.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the running server; show each decision with its rule and RFC.

    --offline answers from --config FILE with an empty cache: it knows neither gateway states nor upstream health.
    """
    from kun_dns64.cli.explain import explain_offline, explain_running
    from kun_dns64.cli.running_server import Target

    if offline:
        explain_offline(config, name, rtype, client, as_json=as_json)
    else:
        explain_running(Target(socket, config), name, rtype, client, as_json=as_json)


@app.command(epilog="Example: kun-dns64 discover 127.0.0.1:5353", exits={0: "prefixes found", 1: "none, or no answer"})
def discover(
    server: Annotated[str, typer.Argument(help="ADDR or ADDR:PORT of a DNS server.")] = "127.0.0.1:5353",
    as_json: AsJson = False,
) -> None:
    """Print the NAT64 prefixes that a DNS server uses, one a line (RFC 7050)."""
    from kun_dns64.cli.discover import ask_prefixes
    from kun_dns64.config.endpoint import DNS_PORT, Endpoint

    try:
        found = ask_prefixes(Endpoint.parse(server, DNS_PORT))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    except OSError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps({"server": server, "prefixes": [str(prefix) for prefix in found]}))
    for prefix in found if not as_json else ():
        typer.echo(str(prefix))
    if not found:
        typer.echo(f"{server} does not synthesise AAAA of ipv4only.arpa: it is not a DNS64", err=True)
        raise typer.Exit(1)


@app.command("config-schema", epilog="Example: kun-dns64 config-schema > kun-dns64.schema.json")
def config_schema() -> None:
    """Print the JSON schema of the file, for editors."""
    from kun_dns64.config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


add_to(app)
