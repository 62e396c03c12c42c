"""`kun-nat64 drain`: its flags and its help."""

from typing import Annotated

import typer

from kun_base.command_line import report
from kun_nat64.cli.command_line import AsJson, GatewayName, RunDir, TokenFile, app
from kun_nat64.cli.folders import RUN_DIR


@app.command(
    epilog='Example: kun-nat64 drain --wait --why "new kernel"',
    exits={
        0: "draining; with --wait: withdrawn",
        1: "no agent runs, or the drain was ended",
        11: "it is the last gateway, or another one is draining",
    },
)
def drain(
    name: GatewayName = "",
    run_dir: RunDir = RUN_DIR,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the VIP is withdrawn; show progress.")] = False,
    why: Annotated[str, typer.Option("--why", help="Reason, for the log and the status page.")] = "",
    until_start: Annotated[
        bool, typer.Option("--until-start", help="The next start of the agent ends the drain; for stops and reboots.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even when no other gateway is known to carry, or another one is draining.")
    ] = False,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Move new flows away, wait for live ones, then withdraw.

    `undrain` ends the drain.
    """
    from kun_nat64.cli.drain import start_drain

    def work() -> int:
        return start_drain(
            run_dir, wait=wait, why=why, until_start=until_start, force=force, name=name, token_file=token_file
        )

    raise typer.Exit(report(work, as_json=as_json))
