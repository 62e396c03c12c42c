"""The form of every command: help within 80 columns, types in words, examples that can be pasted, exit codes."""

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup

WIDTH = 80
ExitCodes = Mapping[int, str]
Function = Callable[..., Any]
Decorator = Callable[[Function], Function]
EXITS: ExitCodes = {0: "done", 1: "it could not be done", 2: "a file or a flag is wrong; every error is on stderr"}
WORDS = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "FILE"}


class PlainCommand(TyperCommand):
    """A command whose help a person can read and paste from."""

    exits: ExitCodes = EXITS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for parameter in self.params:
            _in_words(parameter)

    def format_epilog(self, _context: Any, formatter: Any) -> None:
        formatter.write("\n")
        _write_examples(self.epilog or "", formatter)
        formatter.write("\nExit codes:\n")
        with formatter.indentation():
            formatter.write_dl([(str(code), words) for code, words in sorted(self.exits.items())])

    def collect_usage_pieces(self, context: Any) -> list[str]:
        pieces = ["[OPTIONS]"]
        for one in self.get_params(context):
            if one.param_type_name == "argument":
                name = f"{one.metavar}..." if one.nargs == -1 else str(one.metavar)
                pieces.append(name if one.required else f"[{name}]")
        return pieces


class PlainGroup(TyperGroup):
    """The list of a program's commands."""

    def format_epilog(self, _context: Any, formatter: Any) -> None:
        _write_examples(self.epilog or "", formatter)

    def format_commands(self, context: Any, formatter: Any) -> None:
        commands = [self.get_command(context, name) for name in self.list_commands(context)]
        rows = [(str(one.name), first_sentence(one.help or "")) for one in commands if one and not one.hidden]
        formatter.write("\nCommands:\n")
        with formatter.indentation():
            formatter.write_dl(rows)


class CommandLine(typer.Typer):
    """The commands of a program."""

    def __init__(self, about: str, examples: str = "") -> None:
        super().__init__(
            cls=PlainGroup,
            help=about,
            epilog=examples,
            add_completion=False,
            no_args_is_help=True,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
        )

    def command(  # type: ignore[override]
        self, name: str | None = None, *, exits: ExitCodes | None = None, **named: Any
    ) -> Decorator:
        """As typer's. `exits`: exit codes with their meanings, beside or instead of the usual three."""
        named.setdefault("cls", type("ProgramCommand", (PlainCommand,), {"exits": {**EXITS, **(exits or {})}}))
        return super().command(name, **named)


def report(work: Callable[[], int], *, as_json: bool) -> int:
    """Do the work of a command; with `as_json`, what it prints becomes one JSON value. Returns its exit code."""
    if not as_json:
        return work()
    out, errors = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        code = work()
    lines = {"output": out.getvalue().splitlines(), "errors": errors.getvalue().splitlines()}
    print(json.dumps({"exit_code": code, **lines}, indent=2, ensure_ascii=False))
    if lines["errors"]:
        print(*lines["errors"], sep="\n", file=sys.stderr)
    return code


def first_sentence(text: str) -> str:
    paragraph = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".") + "." if paragraph else ""


def fitted(line: str, width: int = WIDTH) -> list[str]:
    """A command line in lines that fit and can be pasted: continued with a backslash before a flag."""
    lines = [""]
    for piece in line.replace(" --", "\0--").split("\0"):
        if not lines[-1]:
            lines[-1] = piece
        elif len(lines[-1]) + len(piece) + 3 <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(f"    {piece}")
    return [f"{part} \\" for part in lines[:-1]] + lines[-1:]


def _write_examples(text: str, formatter: Any) -> None:
    """Lines as they stand: whoever pastes a command wants all of it."""
    for paragraph in inspect.cleandoc(text).split("\n\n") if text else ():
        indent = "" if paragraph.endswith(":") else "  "
        for line in fitted(" ".join(paragraph.split()), WIDTH - 2):
            formatter.write(f"\n{line}\n" if not indent else f"{indent}{line}\n")


def _in_words(parameter: Any) -> None:
    """Types and limits for people: NUMBER and "1 or more" instead of <int range> and x>=1."""
    parameter._get_number_range_help_str = lambda: _limits(parameter.min, parameter.max)
    if parameter.param_type_name == "argument":
        parameter.metavar = (parameter.metavar or parameter.name).upper().removesuffix("...")
        parameter.display_type_rich = lambda ctx: None
    elif not parameter.is_flag and parameter.metavar is None:
        kind = parameter.type_descriptor.annotation
        kind = (get_args(kind) or (kind,))[0]
        parameter.metavar = "SECONDS" if parameter.name == "seconds" else WORDS.get(kind, "TEXT")


def _limits(least: float | None, most: float | None) -> str | None:
    if least is None and most is None:
        return None
    if least is None:
        return f"at most {most:g}"
    return f"{least:g} or more" if most is None else f"{least:g} to {most:g}"
