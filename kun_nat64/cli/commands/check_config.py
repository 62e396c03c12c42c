"""`kun-nat64 check-config`: its flags and its help."""

from pathlib import Path
from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, app


@app.command("check-config", epilog="Example: kun-nat64 check-config /etc/kun/kun-nat64.toml")
def check_config(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="TOML files; - is standard input.", readable=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Check files: every error of every file, each with its line."""
    from kun_base.config_check import FileSummary, check_files
    from kun_nat64.config.listeners import notes
    from kun_nat64.config.load import load, old_names

    def meaning_of(file: Path) -> FileSummary:
        spec = load(file)
        gateway = spec.gateway
        of_vip = f"VIP {gateway.vip} makes the prefix {gateway.pool6}"
        summary = f"pods reach {gateway.pool6} by {gateway.uplink}" if gateway.is_native else of_vip
        return FileSummary(summary, (*old_names(spec.written), *notes(spec)))

    raise typer.Exit(check_files(files, meaning_of, as_json=as_json))
