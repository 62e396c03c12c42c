"""`kun-nat64 test`: its flags and its help."""

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command("test", epilog="Example: kun-nat64 test --json", exits={0: "no step failed", 1: "a step failed"})
def path_test(run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Test the path of a packet as this gateway sees it.

    Each failed step comes with its remedy.
    """
    from kun_nat64.cli.path_test import run_path_test

    raise typer.Exit(run_path_test(run_dir, as_json=as_json))
