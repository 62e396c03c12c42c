"""`kun-nat64 table`: its flags and its help."""

from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    epilog="Example: kun-nat64 table --accept 3f9c0a52b1d84e6793c1a0e5d2f4b687",
    exits={0: "a table is in force, and nothing is held", 1: "something is wrong or held, or nothing is followed"},
)
def table(
    accept: Annotated[
        str | None, typer.Option("--accept", metavar="VERSION", help="Bring the held table of this version into force.")
    ] = None,
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Show the table that this gateway follows.

    Its version, its age, and whether a change is held, and why.
    """
    from kun_nat64.cli.followed import show_table

    raise typer.Exit(show_table(run_dir, accept=accept, as_json=as_json))
