"""`kun-nat64 apply`: its flags and its help."""

from typing import Annotated

import typer

from kun_base.command_line import report
from kun_nat64.cli.command_line import AsJson, Config, RunDir, app
from kun_nat64.cli.folders import RUN_DIR, lasting_folder


@app.command(
    epilog="Example: kun-nat64 apply --config /etc/kun/kun-nat64.toml --force",
    exits={
        0: "the machine matches the file",
        1: "a change failed, or was undone",
        11: "the guard refuses the changes",
    },
)
def apply(
    config: Config,
    run_dir: RunDir = RUN_DIR,
    force: Annotated[bool, typer.Option("--force", help="Make the changes that the guard refuses, too.")] = False,
    confirm_within: Annotated[
        float | None,
        typer.Option("--confirm-within", metavar="SECONDS", min=1.0, help="Undo the changes unless confirmed in time."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the changes once; announce nothing.

    Only `run` announces the VIP, after probes have proved the translation.

    With --confirm-within the changes are undone unless you press Enter or run `kun-nat64 confirm` in time, also when
    they cut your connection.
    """
    from kun_nat64.cli.apply import apply_once

    def work() -> int:
        if confirm_within:
            from kun_nat64.cli.confirmed_apply import apply_until_confirmed

            return apply_until_confirmed(config, run_dir, lasting_folder(run_dir), confirm_within, force=force)
        code = apply_once(config, run_dir, force=force)
        if code == 0:
            from kun_nat64.cli.errors import complain
            from kun_nat64.cli.rollback import with_record

            with_record(lasting_folder(run_dir), config, "apply", complain)
        return code

    raise typer.Exit(report(work, as_json=as_json))
