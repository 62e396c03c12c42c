"""Parses the arguments of `who` without the command-line library.

`cli/commands/` handles all other cases (--help, an unknown flag, a missing value).
"""

from dataclasses import dataclass
from pathlib import Path

from kun_nat64.cli.folders import RUN_DIR

VALUES = ("--at", "--proto", "--config", "--database", "--run-dir", "--token-file")
SHORT = {"-c": "--config"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments as typed; "" or None for missing ones."""

    public: str
    at: str
    proto: str = ""
    config: Path | None = None
    database: Path | None = None
    as_json: bool = False
    here: bool = False
    run_dir: Path = RUN_DIR
    token_file: Path | None = None


def read_flags(arguments: list[str]) -> Asked | None:
    """Parse the arguments; None: the command-line library must."""
    found: dict[str, str] = {}
    public: list[str] = []
    as_json = here = False
    rest = list(reversed(arguments))
    while rest:
        word = rest.pop()
        flag, equals, value = word.partition("=") if word.startswith("--") else (SHORT.get(word, word), "", "")
        if flag == "--json" and not equals:
            as_json = True
        elif flag == "--here" and not equals:
            here = True
        elif flag in VALUES and flag not in found:
            if not equals:
                if not rest or rest[-1].startswith("-"):
                    return None
                value = rest.pop()
            found[flag] = value
        elif word.startswith("-"):
            return None
        else:
            public.append(word)
    if len(public) != 1 or "--at" not in found:
        return None
    places = ("--config", "--database", "--token-file")
    config, database, token_file = (Path(found[flag]) if flag in found else None for flag in places)
    run_dir = Path(found.get("--run-dir", RUN_DIR))
    return Asked(
        public[0], found["--at"], found.get("--proto", ""), config, database, as_json, here, run_dir, token_file
    )
