"""`kun-nat64 confirm`: its flags and its help."""

import typer

from kun_base.command_line import report
from kun_nat64.cli.command_line import AsJson, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(epilog="Example: kun-nat64 confirm", exits={0: "confirmed", 1: "no change waits for a confirmation"})
def confirm(run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Confirm the change that `apply --confirm-within` has made."""
    from kun_nat64.cli.confirmed_apply import confirm as confirm_change

    raise typer.Exit(report(lambda: confirm_change(run_dir), as_json=as_json))
