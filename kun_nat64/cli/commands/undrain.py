"""`kun-nat64 undrain`: its flags and its help."""

import typer

from kun_base.command_line import report
from kun_nat64.cli.command_line import AsJson, GatewayName, RunDir, TokenFile, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(epilog="Example: kun-nat64 undrain", exits={0: "the drain is over", 1: "no agent runs"})
def undrain(
    name: GatewayName = "", run_dir: RunDir = RUN_DIR, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """End a drain; the VIP is announced again once healthy."""
    from kun_nat64.cli.drain import end_drain

    raise typer.Exit(report(lambda: end_drain(run_dir, name, token_file), as_json=as_json))
