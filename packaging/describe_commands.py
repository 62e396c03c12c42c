"""Write manual page and shell completions of a program from its commands: describe_commands.py MODULE PROGRAM TREE."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from kun_base.version import version

FILES = {
    "kun-dns64": "/etc/kun/kun-dns64.toml: every key with its default.",
    "kun-nat64": "/etc/kun/kun-nat64.toml: every key with its default.",
    "kun-controller": "/etc/kun/kun-controller.conf: the flags of kun-controller.service.",
}


def options_of(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "option"]


def names_of(option: Any) -> list[str]:
    return [name for name in (*option.opts, *option.secondary_opts) if name.startswith("-")]


def commands_of(group: Any, before: str = "") -> dict[str, Any]:
    """Every command by its words: `plan`, and `explain pod` of a group."""
    found: dict[str, Any] = {}
    for name, one in sorted(group.commands.items()):
        if hasattr(one, "commands"):
            found |= commands_of(one, f"{before}{name} ")
        elif not one.hidden:
            found[f"{before}{name}"] = one
    return found


def first_words(group: Any) -> dict[str, list[str]]:
    """The words that may stand first, each with those that may stand behind it."""
    found: dict[str, list[str]] = {}
    for name in commands_of(group):
        first, _, second = name.partition(" ")
        found.setdefault(first, []).extend([second] if second else [])
    return found


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
        codes = "; ".join(f"{code}: {words}" for code, words in sorted(command.exits.items()))
        lines += [".PP", quoted(f"Exit codes: {codes}."), ".PP", quoted(" ".join((command.epilog or "").split()))]
    lines += [
        ".SH EXIT STATUS",
        "0: done. 1: it could not be done. 2: a file or a flag is wrong; every error is on stderr.",
    ]
    if program in FILES:
        lines += [".SH FILES", quoted(FILES[program])]
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
    flags = {
        name: " ".join(sorted({n for o in options_of(one) for n in names_of(o)} | {"--help"}))
        for name, one in commands_of(group).items()
    }
    cases, first = [], first_words(group)
    for name, behind in first.items():
        if behind:
            cases.append(f"        '{name} '*) ((COMP_CWORD == 2)) && offer=1 words='{' '.join(behind)} --help' ;;&")
        whole = [f"{name} {one}" for one in behind] or [name]
        cases += [f"        '{words} '*) words='{flags[words]}' ;;" for words in whole]
    names = " ".join(first)
    return "\n".join(
        [
            f"_{function}() {{",
            "    local current=${COMP_WORDS[COMP_CWORD]} words=",
            '    case "${COMP_WORDS[*]:1:2} " in',
            *cases,
            "    esac",
            f"    if ((COMP_CWORD == 1)); then offer=1 words='{names} --help --version'; fi",
            "    COMPREPLY=()",
            "    if [[ $offer || $current == -* ]]; then",
            '        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")',
            "    fi",
            "}",
            f"complete -o default -F _{function} {program}",
            "",
        ]
    )


def fish(program: str, group: Any) -> str:
    lines = [f"complete -c {program} -n __fish_use_subcommand -l version -d 'Show the version'"]
    for name, behind in first_words(group).items():
        about = f" -d '{_about(group.commands[name])}'"
        lines.append(f"complete -c {program} -f -n __fish_use_subcommand -a {name}{about}")
        lines += [f"complete -c {program} -f -n '__fish_seen_subcommand_from {name}' -a {one}" for one in behind]
    for name, command in commands_of(group).items():
        for option in options_of(command):
            long = next((one[2:] for one in names_of(option) if one.startswith("--")), "")
            text = (option.help or "").splitlines()[0].replace("'", "") if option.help else ""
            if long:
                seen = f"__fish_seen_subcommand_from {name.split()[-1]}"
                lines.append(f"complete -c {program} -n '{seen}' -l {long} -d '{text}'")
    return "\n".join(lines) + "\n"


def _about(command: Any) -> str:
    return str((command.help or "").splitlines()[0]).replace("'", "")


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
