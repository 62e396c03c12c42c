"""Whether a command line of ours would be taken: its command, flags and arguments are those of the program."""

import shlex
from typing import Any

from reference.commands import PROGRAMS, commands_of

COMMANDS: dict[str, dict[str, Any]] = {program: commands_of(program) for program in PROGRAMS}


def problem_of(line: str) -> str:
    """Why `kun-nat64 plan --config FILE` and the like would be refused; "" if it would not.

    Only the form is checked. Raises nothing for other programs' lines: they are not judged.
    """
    words = shlex.split(line.split(" | ")[0].split(" > ")[0], comments=True)
    while words and (words[0] == "sudo" or "=" in words[0].partition("/")[0]):
        words = words[1:]
    if not words or words[0].rpartition("/")[2] not in COMMANDS:
        return ""
    commands = COMMANDS[words[0].rpartition("/")[2]]
    if words[1:] in (["--version"], ["--help"], []):
        return ""
    name = next((" ".join(words[1 : 1 + n]) for n in (2, 1) if " ".join(words[1 : 1 + n]) in commands), None)
    if name is None:
        return f"{words[1]} is not a command"
    command = commands[name]
    arguments = words[1 + len(name.split()) :]
    if arguments in (["--help"], ["-h"]):
        return ""
    try:
        command.make_context(name, arguments)
    except Exception as error:
        return getattr(error, "message", None) or str(error) or type(error).__name__
    return ""
