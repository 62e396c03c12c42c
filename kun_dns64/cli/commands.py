"""The commands with their flags, help and examples, on typer."""

import json
from pathlib import Path
from typing import Annotated

import typer

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

app = typer.Typer(
    help="DNS64 server for networks whose way to IPv4 is a 6to4 VIP.",
    epilog=EXAMPLE,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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
    listen: Annotated[list[str] | None, typer.Option(help="ADDR:PORT for UDP and TCP; may be repeated.")] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(help="udp://, tcp://, tls://IP@name or https://IP/dns-query@name; may be repeated."),
    ] = None,
    vip: Annotated[
        str | None, typer.Option(help="The gateways' IPv4 address; 203.0.113.1: 2002:cb00:7101::/96.")
    ] = None,
    prefix: Annotated[
        list[str] | None, typer.Option(help="NAT64 prefix IPV6/LEN instead of a VIP; repeatable.")
    ] = None,
    workers: Annotated[str | None, typer.Option(metavar="NUMBER", help="Processes; 0: one per core.")] = None,
    admin: Annotated[str | None, typer.Option(help="ADDR:PORT for /healthz, /metrics and the like; '': none.")] = None,
) -> None:
    """Serves DNS. Flags win over the file; with neither, the defaults of gateway-config/kun-dns64.toml."""
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
    """Check files and the files they name. Exit 0: all are good, 2: errors."""
    from kun_base.config_check import check_files
    from kun_dns64.cli.check_config import meaning_of

    raise typer.Exit(check_files(files, meaning_of, as_json=as_json))


@app.command(epilog="Example: kun-dns64 explain www.example.org AAAA --client 2001:db8::7")
def explain(
    name: Annotated[str, typer.Argument(help="The name to ask for.")],
    rtype: Annotated[str, typer.Argument(metavar="TYPE", help="The record type.")] = "AAAA",
    config: ConfigFile = None,
    client: Annotated[str, typer.Option(help="Answer as for this client address.")] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the running server: start from the file alone.")
    ] = False,
    socket: Annotated[Path | None, typer.Option("--socket", help="Control socket of the running server.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the running server, and print each decision with its rule and RFC section.

    --offline answers from --config FILE with an empty cache: it knows neither gateway states nor upstream health.
    """
    from kun_dns64.cli.explain import explain_offline, explain_running
    from kun_dns64.cli.running_server import Target

    if offline:
        explain_offline(config, name, rtype, client, as_json=as_json)
    else:
        explain_running(Target(socket, config), name, rtype, client, as_json=as_json)


@app.command(epilog="Example: kun-dns64 discover 127.0.0.1:5353")
def discover(
    server: Annotated[str, typer.Argument(help="ADDR or ADDR:PORT of a DNS server.")] = "127.0.0.1:5353",
) -> None:
    """Prints the NAT64 prefixes a DNS server gives out, one a line (RFC 7050); exit 1 when there are none."""
    from kun_dns64.cli.discover import ask_prefixes
    from kun_dns64.config.endpoint import DNS_PORT, Endpoint

    try:
        found = ask_prefixes(Endpoint.parse(server, DNS_PORT))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    except OSError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    for prefix in found:
        typer.echo(str(prefix))
    if not found:
        typer.echo(f"{server} synthesises no AAAA of ipv4only.arpa: it is no DNS64", err=True)
        raise typer.Exit(1)


@app.command("config-schema", epilog="Example: kun-dns64 config-schema > kun-dns64.schema.json")
def config_schema() -> None:
    """Prints the JSON schema of the file, for editors."""
    from kun_dns64.config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


add_to(app)
