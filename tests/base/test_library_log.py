"""What libraries say goes through our journal, JSON stays JSON whatever is in it, and lines have a time."""

import io
import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.certificate_end import certificate_end
from kun_base.event_pace import EventPace
from kun_base.journal import Journal
from kun_base.library_log import JournalHandler, send_library_logs_to
from tests.base.test_admin_access import made_pair

PROGRAM = """
import asyncio, logging, sys, threading, warnings
from kun_base.journal import Journal
from kun_base.library_log import send_library_logs_to
send_library_logs_to(Journal("p", as_json=True))
logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=ValueError("two\\nlines"))
logging.getLogger("aiohttp.server").warning("odd %s", "request")
logging.getLogger("aiohttp.server").warning("%d", "no number")
logging.getLogger("quiet").info("not of interest")
warnings.warn("old way")
class Last:
    def __del__(self): raise ValueError("in del")
Last()
thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()
async def forgotten():
    asyncio.get_running_loop().call_exception_handler({"message": "from the loop", "exception": OSError("x")})
asyncio.run(forgotten())
raise SystemError("the end")
"""


def test_everything_that_python_and_libraries_say_is_a_line_of_json() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["program"] for line in lines} == {"p"}
    said = " ".join(line["message"] for line in lines)
    for words in (
        "never retrieved",
        "odd request",
        "old way",
        "in del",
        "division by zero",
        "from the loop",
        "the end",
    ):
        assert words in said, words
    assert "not of interest" not in said
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$", line["time"]) for line in lines)


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(st.text(), st.floats(), st.binary(), st.none())))
def test_json_lines_stay_valid_and_are_one_each(fields: dict[str, object]) -> None:
    out = io.StringIO()
    Journal("p", as_json=True, stream=out).info("event", **fields)
    assert out.getvalue().count("\n") == 1

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    assert json.loads(out.getvalue(), parse_constant=refuse)["event"] == "event"


@given(st.text())
def test_text_lines_are_one_each_and_can_be_written(value: str) -> None:
    out = io.BytesIO()
    stream = io.TextIOWrapper(out, encoding="ascii", errors="strict")
    Journal("p", stream=stream).info("event", value=value.encode("utf-8", "replace").decode(), odd="\udc80\r\x1b[2J")
    text = out.getvalue()
    if value.isascii():
        assert text.count(b"\n") == 1
        assert b"\r" not in text
        assert b"\x1b" not in text


def test_systemds_journal_gets_no_second_time(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = 'from kun_base.journal import Journal; Journal("p").info("ready")'
    for is_journal in (False, True):
        with log.open("wb") as stream:
            found = log.stat()
            place = f"{found.st_dev}:{found.st_ino if is_journal else 1}"
            environment = {"JOURNAL_STREAM": place, "PYTHONPATH": str(Path(__file__).parents[2])}
            subprocess.run([sys.executable, "-c", code], stderr=stream, env=environment, timeout=60, check=True)
        assert log.read_text().startswith("p info ready") == is_journal


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger, hooks = logging.getLogger(), (sys.excepthook, sys.unraisablehook)
    yield logger
    logger.handlers[:] = [one for one in logger.handlers if not isinstance(one, JournalHandler)]
    logging.captureWarnings(False)
    sys.excepthook, sys.unraisablehook = hooks


def test_it_is_set_up_once_whoever_asks_again(root: logging.Logger) -> None:
    out = io.StringIO()
    for _ in range(2):
        send_library_logs_to(Journal("p", stream=out))
    logging.getLogger("asyncio").warning("once")
    with warnings.catch_warnings(record=True):
        pass
    assert out.getvalue().count("once") == 1


def test_one_key_is_written_at_its_pace_and_says_what_it_held_back() -> None:
    pace = EventPace(30.0, burst=2)
    assert [pace.allows("a", now) for now in (0.0, 1.0, 2.0, 3.0)] == [0, 0, None, None]
    assert pace.allows("b", 3.0) == 0, "another key has its own pace"
    assert pace.allows("a", 31.0) == 2


@given(st.lists(st.floats(0, 1000), max_size=60).map(sorted))
def test_no_key_exceeds_its_pace(times: list[float]) -> None:
    pace = EventPace(10.0, burst=3)
    written = [now for now in times if pace.allows("a", now) is not None]
    for start in written:
        assert sum(start <= now < start + 10.0 for now in written) <= 4


def test_the_end_of_a_certificate_is_openssls(tmp_path: Path) -> None:
    certificate, _ = made_pair(tmp_path, "one")
    argv = ["openssl", "x509", "-in", certificate, "-noout", "-enddate", "-dateopt", "iso_8601"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    from datetime import datetime

    assert (
        certificate_end(certificate.read_bytes()) == datetime.fromisoformat(said.strip().partition("=")[2]).timestamp()
    )


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_a_value_error(content: bytes) -> None:
    import base64

    for pem in (content, b"-----BEGIN CERTIFICATE-----" + base64.b64encode(content) + b"-----END CERTIFICATE-----"):
        with pytest.raises(ValueError):
            certificate_end(pem)
