"""`kun-nat64 support-bundle`: its flags and its help."""

from pathlib import Path
from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, RunDir, app
from kun_nat64.cli.folders import RUN_DIR


@app.command("support-bundle", epilog="Example: kun-nat64 support-bundle --output /tmp/gw1.tar.gz")
def support_bundle(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The gateway's TOML file.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; it must not exist.")] = None,
    with_sessions: Annotated[
        str, typer.Option("--with-sessions", metavar="INSTANCE", help="Also this instance's sessions: they name pods.")
    ] = "",
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Write what support needs into one tar file.

    Configuration (secrets masked), status, plan, rules, routes, BGP and log.
    """
    from kun_nat64.cli.errors import complain
    from kun_nat64.cli.support_bundle import make_bundle

    try:
        code = make_bundle(config, run_dir, output, sessions=with_sessions, as_json=as_json)
    except OSError as error:
        code = complain(f"cannot write the bundle: {error}", as_json=as_json)
    raise typer.Exit(code)
