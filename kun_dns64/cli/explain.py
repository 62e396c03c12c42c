"""The `explain` command: of the running server, or of a file alone."""

import json
from pathlib import Path
from typing import Any

import typer

from kun_dns64.cli.running_server import Target, show
from kun_dns64.config.background_load import Source
from kun_dns64.config.control_path import DEFAULT_FILE
from kun_dns64.config.flags import Flags

OFFLINE = "offline: from the file alone, with an empty cache; gateways count as up and upstreams as healthy"


def explain_running(target: Target, name: str, rtype: str, client: str, *, as_json: bool) -> None:
    """Print the running server's own explanation. Exit 1 where no server answers or where it refuses the question."""
    from kun_dns64.control.explanation import as_text

    fields = {"name": name, "type": rtype, "client": client}
    show(target, "/explain", fields, lambda value: f"{as_text(value)}\n(the running server)", as_json=as_json)


def explain_offline(config: Path | None, name: str, rtype: str, client: str, *, as_json: bool) -> None:
    """Print what a server started from the file would answer now. Raises ConfigError."""
    from kun_dns64.control.explanation import as_dict, as_text, query_for
    from kun_dns64.serving.offline_query import ask_once

    try:
        query = query_for(name, rtype, client)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    file = config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    told: dict[str, Any] = as_dict(ask_once(Source(file, Flags()).settings(), query))
    if as_json:
        typer.echo(json.dumps(told | {"view": OFFLINE}, indent=2))
    else:
        typer.echo(f"{as_text(told)}\n({OFFLINE})")
