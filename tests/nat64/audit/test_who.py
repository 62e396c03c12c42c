import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kun_base.errors import ConfigError
from kun_nat64.cli.who import show_who
from kun_nat64.cli.who_flags import Asked, read_flags
from kun_nat64.config.sessionplace import session_database
from kun_nat64.drivers.session_database import SessionBook
from kun_nat64.formats.port_question import parse, parse_time
from kun_nat64.model.audit import UNKNOWN, Record
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.policy.port_holders import holders
from tests.nat64.audit.flows import flow, session
from tests.nat64.cli.test_commands import kun_nat64

NOW = 1_763_700_000.0
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """40000 was pod 0's and then pod 1's; 40001 lives."""
    one = SessionBook(tmp_path, 10**9, 90 * 86400.0)
    one.start(NOW)
    first = Record(flow(session(40000)), NOW - 10, NOW, None, 1)
    second = Record(flow(session(40000, pod=1)), NOW + 90, NOW + 96, None, 1)
    lives = Record(flow(session(40001, protocol=Protocol.UDP)), UNKNOWN, NOW, None, 1)
    one.write([first, second, lives], [], NOW + 100)
    one.write([], [replace(first, ended=NOW + 60), replace(second, ended=NOW + 120)], NOW + 130)
    one.close()
    return tmp_path


@pytest.fixture
def ask(book: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def it(public: str, at: float | str, proto: str = "", *, as_json: bool = False) -> tuple[int, str, str]:
        code = show_who(Asked(public, str(at), proto, None, book, as_json))
        said = capsys.readouterr()
        return code, said.out, said.err

    return it


@pytest.mark.parametrize(
    ("at", "pod", "certain"),
    [
        pytest.param(NOW + 30, "2002:a01:2:1::10", True, id="within a session"),
        pytest.param(NOW, "2002:a01:2:1::10", True, id="at its first moment"),
        pytest.param(NOW + 60, "2002:a01:2:1::10", True, id="at its last moment"),
        pytest.param(NOW - 3, "2002:a01:2:1::10", False, id="between the look before and the first packet seen"),
        pytest.param(NOW + 100, "2002:a01:2:1::11", True, id="the port went to another pod"),
        pytest.param(NOW + 93, "2002:a01:2:1::11", False, id="perhaps already the other pod"),
        pytest.param(NOW + 75, None, False, id="free in between"),
        pytest.param(NOW + 121, None, False, id="after the last one"),
        pytest.param(NOW - 11, None, False, id="before the first one"),
    ],
)
def test_the_pod_that_had_the_port(ask: Ask, at: float, pod: str | None, certain: bool) -> None:
    code, out, _ = ask("192.0.2.11:40000", at, as_json=True)
    found = [(one["inside"], one["certain"]) for one in json.loads(out)["holders"]]
    assert found == ([(pod, certain)] if pod else [])
    assert code == (0 if pod else 1)


def test_a_session_that_lives_has_no_end(ask: Ask) -> None:
    code, out, _ = ask("192.0.2.11:40001", NOW + 10_000, "udp")
    assert code == 0
    assert "udp: [2002:a01:2:1::10]:50000" in out
    assert "or earlier, lives" in out


def test_the_protocol_narrows_the_question(ask: Ask) -> None:
    assert ask("192.0.2.11:40001", NOW + 10, "tcp")[0] == 1
    assert ask("192.0.2.11:40001", NOW + 10)[0] == 0


def test_a_part_that_cannot_be_read_is_named_and_the_others_answer(ask: Ask, book: Path) -> None:
    (book / "sessions-000002.sqlite3").write_bytes(b"garbage" * 1000)
    code, out, err = ask("192.0.2.11:40000", NOW + 30)
    assert (code, "2002:a01:2:1::10" in out) == (0, True)
    assert "not read: part 2" in err


def test_many_sessions_of_one_port_are_one_holder() -> None:
    found = holders([Record(flow(session(40000)), NOW - 5, NOW + n, None) for n in range(20)], NOW + 10)
    assert [(one.certain, len(one.sessions)) for one in found] == [(True, 20)]


def test_without_a_database_it_says_where_one_would_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_who(Asked("192.0.2.11:1", "now", database=tmp_path / "none")) == 3
    assert "session_log" in capsys.readouterr().err


def test_where_no_log_is_wanted_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[nat64]\nsession_log = ""\n')
    assert show_who(Asked("192.0.2.11:1", "now", config=file)) == 3
    assert "session_log is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("", "/var/log/kun-nat64/sessions.db", id="nothing-said"),
        pytest.param('[nat64]\nsession_log = "/x/y.jsonl"', "/x/y.db", id="beside-the-log"),
        pytest.param('[audit]\ndatabase = "/z"', "/z", id="its-own-place"),
        pytest.param('[nat64]\nsession_log = ""\n[audit]\ndatabase = "/z"', "/z", id="switched-off-since"),
        pytest.param('[gateway]\nmms = 1420\n[audit]\ndatabase = "/z"', "/z", id="wrong-in-another-place"),
        pytest.param("nat64 = 7", "/var/log/kun-nat64/sessions.db", id="wrong-kinds"),
    ],
)
def test_the_folder_is_found_without_checking_the_file(text: str, place: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    assert session_database(file) == Path(place)


@pytest.mark.parametrize("content", [b"garbage", b"\xff\xfe", None], ids=["no-toml", "no-text", "no-file"])
def test_a_file_that_cannot_be_read_is_the_operators_fault(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"gateway\.toml"):
        session_database(file)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("1.2.3.4:5 --at now", Asked("1.2.3.4:5", "now")),
        ("--json --at=now 1.2.3.4:5 --proto udp", Asked("1.2.3.4:5", "now", "udp", as_json=True)),
        ("1.2.3.4:5 --at now -c /a --database=/b", Asked("1.2.3.4:5", "now", "", Path("/a"), Path("/b"))),
    ],
)
def test_plain_words_are_read_without_the_library(words: str, asked: Asked) -> None:
    assert read_flags(words.split()) == asked


@pytest.mark.parametrize(
    "words",
    [
        *("", "--help", "1.2.3.4:5", "1.2.3.4:5 --at", "1.2.3.4:5 --at --json", "a b --at now"),
        *("1.2.3.4:5 --at now --at now", "1.2.3.4:5 --at now -x", "1.2.3.4:5 --at now --json=1"),
        "1.2.3.4:5 --at now --protocol tcp",
    ],
)
def test_whatever_is_not_plain_is_left_to_the_library(words: str) -> None:
    assert read_flags(words.split()) is None


def test_an_answer_loads_nothing_that_it_does_not_need(book: Path) -> None:
    code = (
        "import json, sys; from kun_nat64.cli.main import main\n"
        "try: main()\nexcept SystemExit: print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    argv = [sys.executable, "-c", code, "who", "192.0.2.11:40000", "--at", str(NOW + 30), "--database", str(book)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert "2002:a01:2:1::10" in done.stdout
    loaded = set(json.loads(done.stderr))
    assert "sqlite3" in loaded
    assert loaded & {"typer", "pydantic", "rich", "asyncio", "importlib.metadata"} == set()


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("now", NOW),
        ("90m ago", NOW - 5400),
        ("2h", NOW - 7200),
        ("1.5 d ago", NOW - 129_600),
        ("1763600004.25", 1_763_600_004.25),
        ("2025-11-20T00:53:24.250Z", 1_763_600_004.25),
        ("2025-11-20 01:53:24.250+01:00", 1_763_600_004.25),
        ("2025-11-20T00:53:24", 1_763_600_004.0),
    ],
)
def test_times_are_written_in_many_ways(text: str, is_: float) -> None:
    assert parse_time(text, now=NOW) == is_


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        parse("192.0.2.11", "yesterday", "sctp", now=NOW)
    assert [fault.where for fault in raised.value.faults] == ["IP:PORT", "--at", "--proto"]


@pytest.mark.parametrize("public", ["192.0.2.11:65536", "192.0.2.300:1", "[2001:db8::1]:80", ":80", "192.0.2.11:", ""])
def test_a_public_address_is_ipv4_and_a_port(public: str) -> None:
    with pytest.raises(ConfigError):
        parse(public, "now", "", now=NOW)


def test_the_folder_beside_the_log_is_the_default(tmp_path: Path, shipped_data: dict[str, Any]) -> None:
    from kun_nat64.config.load import from_data

    assert from_data(shipped_data, "test").audit.database == "/var/log/kun-nat64/sessions.db"
    data = {**shipped_data, "audit": {**shipped_data["audit"], "database": str(tmp_path)}}
    assert from_data(data, "test").audit.database == str(tmp_path)


def test_the_command_answers_and_explains_itself(book: Path) -> None:
    done = kun_nat64("who", "192.0.2.11:40000", "--at", str(NOW + 30), "--proto", "TCP", "--database", str(book))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("192.0.2.11:40000 at 2025-11-21T04:40:30.000Z tcp: [2002:a01:2:1::10]:50000\n")
    assert "with 198.51.100.80:443" in done.stdout
    assert "kun-nat64 who 192.0.2.11:40283 --at" in kun_nat64("who", "--help").stdout


def test_a_question_that_makes_no_sense_exits_with_2(book: Path) -> None:
    done = kun_nat64("who", "192.0.2.11", "--at", "yesterday", "--database", str(book))
    assert done.returncode == 2
    assert "IP:PORT" in done.stderr
    assert "--at" in done.stderr


@pytest.mark.parametrize("at", ["99999999999999999999 d", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+23:00"])
def test_a_time_that_no_log_can_have_is_a_wrong_flag(ask: Ask, at: str) -> None:
    with pytest.raises(ConfigError, match="--at"):
        ask("192.0.2.11:40000", at)


def test_a_folder_with_signs_of_urls_in_its_name_is_read(book: Path, tmp_path: Path) -> None:
    odd = book.rename(tmp_path.parent / f"{tmp_path.name} 50%?a#b")
    assert show_who(Asked("192.0.2.11:40001", str(NOW + 10), database=odd)) == 0


def test_rows_that_make_no_sense_are_not_read_and_said(book: Path, ask: Ask) -> None:
    (part,) = book.glob("*.sqlite3")
    with closing(sqlite3.connect(part)) as db, db:
        db.execute("UPDATE session SET inside = x'00'")
    code, out, err = ask("192.0.2.11:40001", NOW + 10, as_json=True)
    assert code == 3, "who it was may stand there"
    assert "not read: part 1" in err
    assert json.loads(out)["unread"]


def test_a_part_that_cannot_be_opened_is_said_and_the_others_are_read(book: Path, ask: Ask) -> None:
    (book / "sessions-000007.sqlite3").mkdir()
    code, out, err = ask("192.0.2.11:40001", NOW + 10, as_json=True)
    assert code == 0
    assert "not read: part 7: " in err
    assert json.loads(out)["unread"]


@pytest.fixture
def nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("this machine lets nobody become another user: not root")
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_folder_that_the_user_may_not_read_is_said(capsys: pytest.CaptureFixture[str], nobody: None) -> None:
    assert show_who(Asked("192.0.2.11:1", "now", database=Path("/root/sessions.db"), as_json=True)) == 3
    said = capsys.readouterr()
    assert said.err == "/root/sessions.db cannot be read: Permission denied; run this with sudo\n"
    assert json.loads(said.out)["error"] == said.err.strip()


def test_without_a_database_the_answer_is_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_who(Asked("192.0.2.11:1", "now", database=tmp_path, as_json=True)) == 3
    said = capsys.readouterr()
    assert json.loads(said.out)["error"] == said.err.strip()
