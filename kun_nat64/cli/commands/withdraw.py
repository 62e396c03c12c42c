"""`kun-nat64 withdraw`: its flags and its help."""

import typer

from kun_base.command_line import report
from kun_nat64.cli.command_line import AsJson, Config, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    epilog="Example: kun-nat64 withdraw --config /etc/kun/kun-nat64.toml",
    exits={0: "withdrawn", 1: "a path could not be withdrawn"},
)
def withdraw(config: Config, run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Withdraw the VIP at once, without the agent.

    For a host whose agent hangs or cannot start.

    If the file has errors, the paths that the agent announced are withdrawn.
    """
    from kun_nat64.cli.withdraw import withdraw_now

    raise typer.Exit(report(lambda: withdraw_now(config, run_dir), as_json=as_json))
