"""Help, manual pages and completions of every command of all three programs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from kun_base.command_line import first_sentence, fitted
from reference.commands import PROGRAMS
from tests.command_lines import COMMANDS, problem_of

ROOT = Path(__file__).parent.parent
ALL = [(program, name) for program, commands in COMMANDS.items() for name in commands]
# They print no result of their own: a service, and a JSON value already.
WITHOUT_JSON = {("kun-dns64", "serve"), ("kun-nat64", "run"), ("kun-controller", "run")}
WITHOUT_JSON |= {(program, "config-schema") for program in PROGRAMS}


def help_of(program: str, *words: str) -> str:
    module = __import__(f"{PROGRAMS[program]}.cli.commands", fromlist=["app"])
    result = typer.testing.CliRunner().invoke(module.app, [*words, "--help"], prog_name=program, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    return str(result.output)


@pytest.fixture(scope="module")
def texts() -> dict[tuple[str, str], str]:
    return {(program, name): help_of(program, *name.split()) for program, name in ALL}


every = pytest.mark.parametrize(("program", "name"), ALL, ids=[f"{program}-{name}" for program, name in ALL])


@every
def test_help_fits_80_columns_and_names_types_in_words(program: str, name: str, texts: dict[Any, str]) -> None:
    text = texts[program, name]
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert re.search(r"<\w+(\[|>| range)|x[<>]=|Path\b", text) is None


@every
def test_help_documents_every_exit_code(program: str, name: str, texts: dict[Any, str]) -> None:
    codes = texts[program, name].partition("\nExit codes:\n")[2]
    assert {"0", "1", "2"} <= set(re.findall(r"^  (\d+) +\w", codes, re.MULTILINE))


@every
def test_an_example_can_be_pasted(program: str, name: str, texts: dict[Any, str]) -> None:
    text = texts[program, name].partition("\nExit codes:")[0].replace("\\\n", " ")
    examples = re.findall(rf"^  (?:Example: )?({program} {name}.*)", text, re.MULTILINE)
    assert examples
    assert [problem_of(one) for one in examples] == [""] * len(examples)


@every
def test_every_command_gives_json(program: str, name: str) -> None:
    flags = {flag for one in COMMANDS[program][name].params for flag in one.opts}
    assert ("--json" in flags) is not ((program, name) in WITHOUT_JSON)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_list_of_commands_fits_and_its_examples_can_be_pasted(program: str) -> None:
    text = help_of(program)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    examples = text.partition("\nExamples:\n")[2].strip().replace("\\\n", " ").splitlines()
    assert examples
    assert [problem_of(one.strip()) for one in examples] == [""] * len(examples)


@pytest.mark.parametrize("program", PROGRAMS)
def test_manual_and_completions_have_every_command_and_flag(program: str, tmp_path: Path) -> None:
    script = [sys.executable, "packaging/describe_commands.py", PROGRAMS[program], program, str(tmp_path)]
    subprocess.run(script, cwd=ROOT, check=True, env={"PYTHONPATH": str(ROOT)})
    files = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    manual, bash = files[f"{program}.1"].replace("\\-", "-"), files[program]
    for name, command in COMMANDS[program].items():
        assert f".SS {name}" in manual
        for flag in [flag for one in command.params for flag in one.opts if flag.startswith("--")]:
            assert flag in manual
            assert flag in bash
            assert f"-l {flag[2:]} " in files[f"{program}.fish"]
    assert subprocess.run(["man", "--warnings", "-l", tmp_path / f"usr/share/man/man1/{program}.1"],
                          capture_output=True, text=True, check=True).stderr == ""  # fmt: skip


def completed(program: str, script: Path, *words: str) -> list[str]:
    function = f"_{program.replace('-', '_')}"
    listed = " ".join(f"'{one}'" for one in (program, *words))
    lines = f"source {script}; COMP_WORDS=({listed}); COMP_CWORD={len(words)}; {function}; echo ${{COMPREPLY[@]}}"
    return subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_commands_flags_and_groups(tmp_path: Path) -> None:
    for program, module in PROGRAMS.items():
        script = [sys.executable, "packaging/describe_commands.py", module, program, str(tmp_path)]
        subprocess.run(script, cwd=ROOT, check=True, env={"PYTHONPATH": str(ROOT)})
    folder = tmp_path / "usr/share/bash-completion/completions"
    assert "drain" in completed("kun-nat64", folder / "kun-nat64", "dr")
    assert completed("kun-nat64", folder / "kun-nat64", "plan", "--js") == ["--json"]
    assert completed("kun-nat64", folder / "kun-nat64", "check-config", "") == [], "bash then completes files"
    assert completed("kun-controller", folder / "kun-controller", "explain", "p") == ["pod"]
    assert "--from" in completed("kun-controller", folder / "kun-controller", "explain", "pod", "--f")


def test_a_long_example_is_continued_before_a_flag() -> None:
    assert fitted("kun-x do --first value --second value", 24) == [
        "kun-x do --first value \\",
        "    --second value",
    ]
    assert first_sentence("Do this. Then that.\n\nMore.") == "Do this."


@pytest.mark.parametrize(
    "line", ["kun-nat64 plann", "kun-nat64 plan --confg x", "kun-dns64 cache", "kun-nat64 size --pods 0 --flows 1"]
)
def test_a_command_line_that_is_wrong_is_found(line: str) -> None:
    assert problem_of(line) != ""
