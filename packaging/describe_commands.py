"""Write manual page and shell completions of a program from its commands: describe_commands.py MODULE PROGRAM TREE."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from kun_base.version import version


def options_of(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "option"]


def names_of(option: Any) -> list[str]:
    return [name for name in (*option.opts, *option.secondary_opts) if name.startswith("-")]


def commands_of(group: Any) -> dict[str, Any]:
    return {name: one for name, one in sorted(group.commands.items()) if not one.hidden}


def quoted(text: str) -> str:
    """For roff: hyphens stay hyphens, and no line begins with a request."""
    lines = (line.strip() for line in text.replace("\\", "\\e").replace("-", "\\-").splitlines())
    return "\n".join(rf"\&{line}" if line.startswith((".", "'")) else line for line in lines)


def manual(program: str, group: Any) -> str:
    """Give the page for section 1, from the help texts."""
    about = (group.help or program).splitlines()[0].rstrip(".")
    lines = [f'.TH {program.upper()} 1 "" "kun-gateway {version()}" "KUN egress gateway"']
    lines += [".SH NAME", f"{program} \\- {quoted(about)}"]
    lines += [".SH SYNOPSIS", f".B {quoted(program)}", r"[\fB\-\-version\fR] \fICOMMAND\fR [\fIOPTION\fR...]"]
    lines += [".SH COMMANDS"]
    for name, command in commands_of(group).items():
        arguments = " ".join(one.make_metavar_of() for one in arguments_of(command))
        lines += [f".SS {quoted(name)} {arguments}".rstrip(), quoted(command.help or "")]
        for option in options_of(command):
            lines += [".TP", r"\fB" + quoted(", ".join(names_of(option))) + r"\fR", quoted(option.help or "")]
    lines += [
        ".SH EXIT STATUS",
        "0: done. 1: it could not be done. 2: a file or a flag is wrong; every error is on stderr.",
    ]
    lines += [".SH FILES", f"/etc/kun/{quoted(program)}.toml: every key with its default."]
    return "\n".join(line for line in lines if line) + "\n"


class Argument:
    """A positional argument, as the synopsis names it."""

    def __init__(self, parameter: Any) -> None:
        self._parameter = parameter

    def make_metavar_of(self) -> str:
        name = (self._parameter.metavar or self._parameter.name or "").upper()
        return rf"\fI{name}\fR" if self._parameter.required else rf"[\fI{name}\fR]"


def arguments_of(command: Any) -> Iterator[Argument]:
    return (Argument(one) for one in command.params if one.param_type_name == "argument")


def bash(program: str, group: Any) -> str:
    function = program.replace("-", "_")
    cases = [
        f"        {name}) words='{' '.join(sorted({n for o in options_of(one) for n in names_of(o)} | {'--help'}))}' ;;"
        for name, one in commands_of(group).items()
    ]
    names = " ".join(commands_of(group))
    return "\n".join(
        [
            f"_{function}() {{",
            "    local current=${COMP_WORDS[COMP_CWORD]} words",
            "    case ${COMP_WORDS[1]-} in",
            *cases,
            f"        *) words='{names} --help --version' ;;",
            "    esac",
            f"    if ((COMP_CWORD == 1)); then words='{names} --help --version'; fi",
            "    COMPREPLY=()",
            "    if [[ $current == -* || $COMP_CWORD == 1 ]]; then",
            '        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")',
            "    fi",
            "}",
            f"complete -o default -F _{function} {program}",
            "",
        ]
    )


def fish(program: str, group: Any) -> str:
    lines = [f"complete -c {program} -n __fish_use_subcommand -l version -d 'Show the version'"]
    for name, command in commands_of(group).items():
        about = (command.help or "").splitlines()[0].replace("'", "")
        lines.append(f"complete -c {program} -f -n __fish_use_subcommand -a {name} -d '{about}'")
        for option in options_of(command):
            long = next((one[2:] for one in names_of(option) if one.startswith("--")), "")
            text = (option.help or "").splitlines()[0].replace("'", "") if option.help else ""
            if long:
                lines.append(f"complete -c {program} -n '__fish_seen_subcommand_from {name}' -l {long} -d '{text}'")
    return "\n".join(lines) + "\n"


def zsh(program: str, group: Any) -> str:
    """Zsh reads bash's completions."""
    return f"#compdef {program}\nautoload -U +X bashcompinit && bashcompinit\n{bash(program, group)}"


def main(arguments: Sequence[str]) -> int:
    module, program, tree = arguments
    group = typer.main.get_command(importlib.import_module(f"{module}.cli.commands").app)
    targets = {
        f"usr/share/man/man1/{program}.1": manual,
        f"usr/share/bash-completion/completions/{program}": bash,
        f"usr/share/fish/vendor_completions.d/{program}.fish": fish,
        f"usr/share/zsh/vendor-completions/_{program}": zsh,
    }
    for name, write in targets.items():
        target = Path(tree, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(write(program, group))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
