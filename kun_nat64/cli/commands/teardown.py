"""`kun-nat64 teardown`: its flags and its help."""

import typer

from kun_base.command_line import report
from kun_nat64.cli.command_line import AsJson, Config, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    epilog="Example: kun-nat64 teardown --config /etc/kun/kun-nat64.toml",
    exits={0: "nothing of ours is left", 1: "something is left, or the agent runs"},
)
def teardown(config: Config, run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Withdraw the VIP and remove everything that the agent made."""
    from kun_nat64.cli.teardown import tear_down

    raise typer.Exit(report(lambda: tear_down(config, run_dir), as_json=as_json))
