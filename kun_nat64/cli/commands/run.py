"""`kun-nat64 run`: its flags and its help."""

import typer

from kun_nat64.cli.command_line import Config, RunDir, app
from kun_nat64.cli.folders import RUN_DIR, state_folder


@app.command(epilog="Example: kun-nat64 run --config /etc/kun/kun-nat64.toml")
def run(config: Config, run_dir: RunDir = RUN_DIR) -> None:
    """Run the agent on this gateway.

    It keeps the machine as the file describes.

    The VIP is announced while probes pass through the translator and return.
    """
    from kun_nat64.agent.options import Options
    from kun_nat64.agent.program import main

    raise typer.Exit(main(Options(config, run_dir, state_folder())))
