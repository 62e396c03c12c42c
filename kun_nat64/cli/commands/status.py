"""`kun-nat64 status`: its flags and its help."""

from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    epilog="Example: kun-nat64 status --json\n\nkun-nat64 status --watch",
    exits={0: "announced; or the watch was ended", 1: "not announced, or no agent runs"},
)
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Redraw every two seconds, until q or Ctrl-C.")] = False,
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Show the state of the running agent."""
    from kun_nat64.cli.status import show_status, watch_status

    if watch and not as_json:
        raise typer.Exit(watch_status(run_dir))
    raise typer.Exit(show_status(run_dir, as_json=as_json))
