"""`kun-nat64 explain`: its flags and its help."""

from pathlib import Path
from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, TokenFile, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    exits={0: "packets get through", 1: "packets are dropped"},
    epilog="Example: kun-nat64 explain 2002:cb00:7101::c633:6450\n\n"
    "kun-nat64 explain 2002:cb00:7101::c633:6450 --client 2002:a01:2:1::10 --json",
)
def explain(
    destination: Annotated[str, typer.Argument(help="The IPv6 address that a pod sends to.", metavar="IPV6")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The gateway's TOML file; else /etc/kun/kun-nat64.toml.")
    ] = None,
    client: Annotated[str, typer.Option(help="A pod: show whether it is let in, and its sessions.")] = "",
    here: Annotated[bool, typer.Option("--here", help="Ask this gateway alone, not the others of the fleet.")] = False,
    run_dir: RunDir = RUN_DIR,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what happens to packets for an IPv6 address, and why.

    The IPv4 address in it, whether a pod's packets reach it, by which gateways and from which source; its sessions.
    """
    from kun_nat64.cli.explain import explain_destination

    raise typer.Exit(
        explain_destination(destination, config, run_dir, client, as_json=as_json, here=here, token_file=token_file)
    )
