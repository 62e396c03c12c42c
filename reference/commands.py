"""The commands of all three programs, from their flags and help texts."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer

from reference.markdown import row, table_head

PROGRAMS = {"kun-dns64": "kun_dns64", "kun-nat64": "kun_nat64", "kun-controller": "kun_cluster"}


def commands_of(program: str) -> dict[str, Any]:
    """Every command by its words, `explain pod` too."""
    app = import_module(f"{PROGRAMS[program]}.cli.commands").app
    return dict(_flat(typer.main.get_command(app), ""))


def _flat(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _flat(command, f"{before}{name} ")
        elif not command.hidden:
            yield f"{before}{name}", command


def command_pages() -> Iterator[str]:
    for program in PROGRAMS:
        yield from ("", f"## Commands of {program}")
        for name, command in commands_of(program).items():
            yield from _page(f"{program} {name}", command)


def _page(words: str, command: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=words)
    usage = " ".join([words, *command.collect_usage_pieces(context)])
    yield from ("", f"### `{words}`", "", inspect.cleandoc(command.help or ""), "", "```", usage, "```", "")
    yield from table_head("argument or flag", "meaning")
    for one in command.get_params(context):
        name, text = one.get_help_record(context)
        yield row(f"`{name}`", text)
    yield ""
    yield "Exit codes: " + "; ".join(f"{code} {text}" for code, text in sorted(command.exits.items())) + "."
