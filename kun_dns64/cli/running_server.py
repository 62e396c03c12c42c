"""Find the running server's control socket, ask it, and end the command with a clear message where that fails."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer

from kun_base.control_client import ControlAnswer, NoServer, ask_socket
from kun_base.watched_screen import watch
from kun_dns64.config.control_path import search_path

EXIT_FAILED = 1
PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """Which server is meant: by its socket, or by the file that names it."""

    socket: Path | None
    config: Path | None

    def ask(self, path: str, fields: Mapping[str, str] | None = None, *, method: str = "GET") -> ControlAnswer:
        """Raises NoServer."""
        places = [self.socket] if self.socket else search_path(self.config)
        for place in places:
            try:
                return ask_socket(place, path, fields, method=method)
            except (FileNotFoundError, ConnectionRefusedError):
                continue
            except PermissionError as error:
                raise NoServer(f"{place} is for its owner and the operators' group: use sudo") from error
        raise NoServer(
            f"no kun-dns64 answers at {' or '.join(map(str, places))}: start it with `systemctl start kun-dns64` or "
            "`kun-dns64 serve`, or name its socket with --socket (the server logs it as control-socket)"
        )


def show(
    target: Target,
    path: str,
    fields: Mapping[str, str] | None,
    as_text: Callable[[Any], str],
    *,
    as_json: bool,
    method: str = "GET",
) -> Any:
    """Print the answer as JSON or text and return it. Exit 1 where there is none, or where the server refuses."""
    try:
        answer = target.ask(path, fields, method=method)
    except NoServer as error:
        fail(str(error), as_json=as_json)
    if as_json:
        typer.echo(json.dumps(answer.value, indent=2))
    elif answer.ok:
        typer.echo(as_text(answer.value))
    else:
        for line in answer.value.get("errors") or [answer.value.get("error", f"HTTP status {answer.status}")]:
            typer.echo(line, err=True)
    if not answer.ok:
        raise typer.Exit(EXIT_FAILED)
    return answer.value


def keep_showing(target: Target, path: str, fields: Mapping[str, str] | None, as_text: Callable[[Any], str]) -> None:
    """Redraw what the server answers until q or Ctrl-C. Exit 1 where there is no answer."""

    def frame(_columns: int, _lines: int) -> list[str]:
        answer = target.ask(path, fields)
        if not answer.ok:
            raise NoServer(str(answer.value.get("error", f"HTTP status {answer.status}")))
        return [time.strftime("%H:%M:%S   q ends"), *as_text(answer.value).splitlines()]

    try:
        watch(frame, PERIOD_S)
    except NoServer as error:
        fail(str(error), as_json=False)


def fail(words: str, *, as_json: bool) -> NoReturn:
    """Report an error and exit with 1; as JSON on standard output where a program reads it."""
    if as_json:
        typer.echo(json.dumps({"error": words}))
    else:
        typer.echo(words, err=True)
    raise typer.Exit(EXIT_FAILED)
