"""`check-config` of both programs: what it says about files that are wrong in every way."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kun_base.program_sections import MARKS
from kun_base.tomltext import MAX_BYTES
from kun_dns64.config.file import ConfigFile as Dns64File
from kun_nat64.config.file import ConfigFile as Nat64File

CONFIG = Path(__file__).parents[2] / "gateway-config"
PROGRAMS = ("kun-dns64", "kun-nat64")
both = pytest.mark.parametrize("program", PROGRAMS)


def check(program: str, *arguments: object, stdin: bytes = b"") -> tuple[int, str, str]:
    argv = [Path(sys.executable).parent / program, "check-config", *map(str, arguments)]
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


TEXTS = {
    "UTF-16": ("[admin]\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
    "UTF-16 without a mark": ("[admin]\n".encode("utf-16-le"), "is UTF-16; save it as UTF-8"),
    "UTF-32": ("[admin]\n".encode("utf-32"), "is UTF-32; save it as UTF-8"),
    "Latin-1": ('[admin]\nlisten = "ä"\n'.encode("latin-1"), ":2: is not UTF-8 (line 2); save it as UTF-8"),
    "a NUL": (b"[admin]\nlisten = \0\n", ":2: not TOML, line 2: has a NUL byte"),
    "CR alone": (b"[admin]\nlisten = 1\rx = 1\n", ":2: not TOML, line 2: has a carriage return without a newline"),
    "an open quote": (b'\n[admin]\nlisten = "x\n', ":3: not TOML, line 3: quote not closed"),
    "an open bracket": (b'[admin]\nlisten = ["x",\n\n', ":2: not TOML, line 2: bracket [ not closed"),
    "no quotes": (b"[admin]\nlisten = here\n", ":2: not TOML, line 2: the value is not understood; text needs quotes"),
    "no value": (b"[admin]\nlisten\n", ":2: not TOML, line 2: the key has no value"),
    "a key twice": (b"[admin]\nlisten = 1\n\nlisten = 2\n", ":4: admin.listen: is written twice, first on line 2"),
    "a table twice": (b"[admin]\n[log]\n[admin]\n", ":3: admin: is written twice, first on line 1"),
    "a long number": (b"[admin]\nlisten = " + b"9" * 5000, ":2: not TOML, line 2: has a number with more digits"),
    "a date that is none": (b"[admin]\nlisten = 2020-13-45\n", ":2: not TOML, line 2: "),
    "a date": (b"[admin]\nlisten = 2020-01-02\n", ":2: admin.listen = 2020-01-02: must be"),
    "a number for text": (b"[admin]\r\nlisten = 5\r\n", ":2: admin.listen = 5: must be text in quotes"),
    "infinity for text": (b"[admin]\nlisten = inf\n", ":2: admin.listen = inf: must be text in quotes"),
    "a misspelt key below a BOM": (b"\xef\xbb\xbf[admin]\nlisen = 1\n", ":2: admin.lisen = 1: unknown key, did you"),
    "a misspelt section": (b"\n[admim]\n", ":2: admim = {}: unknown key, did you mean 'admin'?"),
}


@both
@pytest.mark.parametrize(("content", "expected"), TEXTS.values(), ids=TEXTS)
def test_a_wrong_text_is_explained_with_file_and_line(
    program: str, content: bytes, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(content)
    code, _, errors = check(program, file)
    assert code == 2
    assert f"  {file}{expected}" in errors if expected.startswith(":") else expected in errors


@both
def test_what_is_no_file_is_refused_at_once(program: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(MAX_BYTES + 1)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        places = ["pipe", "folder", "loop", "large", "socket", "/dev/zero", "none"]
        code, _, errors = check(program, *(tmp_path / place for place in places))
    assert code == 2
    for words in ("is a pipe", "is a folder", "symbolic links", "is larger than 32 MiB", "is a socket", "is a device"):
        assert words in errors
    assert f"{tmp_path / 'none'}: 1 error\n  file: cannot be read: No such file" in errors


@both
def test_a_file_of_the_other_program_is_recognised(program: str) -> None:
    other = next(name for name in PROGRAMS if name != program)
    code, _, errors = check(program, CONFIG / f"{other}.toml")
    assert code == 2
    assert f"this is a {other} file; check it with: {other} check-config" in errors
    assert errors.count("\n") == 2, "nothing else is said about it"


def test_one_own_section_makes_the_others_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[server]\n[gateway]\n")
    assert f"{file}:2: gateway = {{}}: unknown key" in check("kun-dns64", file)[2]


def test_the_marks_of_a_program_are_sections_of_its_file_alone() -> None:
    sections = {"kun-dns64": set(Dns64File.model_fields), "kun-nat64": set(Nat64File.model_fields)}
    for program, marks in MARKS.items():
        other = next(name for name in MARKS if name != program)
        assert marks <= sections[program]
        assert not marks & sections[other]


@both
def test_several_files_and_standard_input_are_checked_in_one_run(program: str, tmp_path: Path) -> None:
    shipped, bad = CONFIG / f"{program}.toml", tmp_path / "bad.toml"
    bad.write_text("[admin]\nlisten = 1\n[admin.x]\n")
    code, out, errors = check(program, bad, "-", shipped, stdin=shipped.read_bytes())
    assert code == 2
    assert out.startswith("standard input: good; ")
    assert f"\n{shipped}: good; " in out
    assert f"{bad}:2: admin.listen" in errors
    assert f"{bad}:3: admin.x" in errors, "all errors of a file are reported"
    assert check(program, "-", stdin=shipped.read_bytes())[0] == 0


@both
def test_the_check_as_json(program: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[admin]\nlisten = 1\n")
    code, out, _ = check(program, "--json", bad, CONFIG / f"{program}.toml")
    first, second = json.loads(out)["files"]
    assert code == 2
    assert (first["file"], first["good"], second["good"]) == (str(bad), False, True)
    found = next(one for one in first["errors"] if one["key"] == "admin.listen")
    assert (found["line"], found["value"]) == (2, "1")
    assert found["error"].startswith("must be text")


def test_a_pool_is_named_and_not_numbered(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(
        '[[pool]]\nname = "a"\nvip = "203.0.113.1"\nfallback = "b"\n'
        '[[pool]]\nname = "b"\nvip = "203.0.113.2"\nfallback = "c"\ndomains = ["x..y"]\n'
        '[[pool]]\nname = "c"\nvip = "203.0.113.3"\nfallback = "a"\n'
        '[[zone]]\nsuffix = "a.b"\ndns64 = "x"\n[[pool]]\nvip = "10.0.0.1"\n'
    )
    code, _, errors = check("kun-dns64", file)
    assert code == 2
    assert f"{file}:4: pool \"a\".fallback = 'b': is a circular fallback: a -> b -> c -> a" in errors
    assert errors.count("is a circular fallback") == 1
    assert f'{file}:9: pool "b".domains[0]' in errors
    assert f'{file}:16: zone "a.b".dns64' in errors
    assert f"{file}:17: pool[3].name: is required" in errors
    assert f"{file}:18: pool[3].vip" in errors
