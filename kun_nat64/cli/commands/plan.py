"""`kun-nat64 plan`: its flags and its help."""

import typer

from kun_nat64.cli.command_line import AsJson, Config, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    epilog="Example: kun-nat64 plan --config /etc/kun/kun-nat64.toml",
    exits={0: "nothing to change", 10: "changes", 11: "changes that the guard refuses"},
)
def plan(config: Config, run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Show what would change, and what the guard refuses."""
    from kun_nat64.cli.plan import show_plan

    raise typer.Exit(show_plan(config, run_dir, as_json=as_json))
