"""What may be remembered between two looks, and what makes it forgotten."""

from pathlib import Path

from kun_nat64.drivers.memo import Memo
from kun_nat64.drivers.speakerpulse import pulse

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
SESSION = "   0: 0201020A:{port} 0101020A:00B3 01 00000000:00000000 02:00000000 00000000     0        0 {inode} 2\n"
API = "   1: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"
OTHER = "   2: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"


class Look:
    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> int:
        self.times += 1
        return self.times


async def test_a_look_is_remembered_for_its_time_and_no_longer() -> None:
    memo, look = Memo[int](10.0), Look()
    assert [await memo.get(now, look) for now in (100.0, 109.9, 110.0)] == [1, 1, 2]


async def test_what_is_forgotten_is_looked_at_again() -> None:
    memo, look = Memo[int](10.0), Look()
    await memo.get(100.0, look)
    memo.forget()
    assert await memo.get(100.1, look) == 2


async def test_nothing_is_remembered_while_somebody_may_be_changing_it() -> None:
    memo, look = Memo[int](60.0), Look()
    memo.doubt(103.0)
    assert [await memo.get(now, look) for now in (100.0, 102.0, 103.0, 104.0)] == [1, 2, 2, 2]


async def test_a_look_during_which_something_changed_is_not_remembered() -> None:
    memo = Memo[int](60.0)
    look = Look()

    async def disturbed() -> int:
        memo.forget()
        return await look()

    assert await memo.get(100.0, disturbed) == 1
    assert await memo.get(100.1, look) == 2


def write(folder: Path, *lines: str) -> str:
    (folder / "tcp").write_text(HEAD + "".join(lines))
    return str(folder)


def test_the_pulse_is_steady_while_nothing_happens_to_the_speaker(tmp_path: Path) -> None:
    lines = (SESSION.format(port="9C40", inode=5), API.format(inode=6))
    one = pulse("127.0.0.1:50051", write(tmp_path, *lines, OTHER.format(inode=1)))
    other = pulse("127.0.0.1:50051", write(tmp_path, *lines, OTHER.format(inode=2)))
    assert one == other
    assert one


def test_a_new_session_or_a_new_daemon_changes_the_pulse(tmp_path: Path) -> None:
    before = pulse("127.0.0.1:50051", write(tmp_path, SESSION.format(port="9C40", inode=5), API.format(inode=6)))
    session = pulse("127.0.0.1:50051", write(tmp_path, SESSION.format(port="9C41", inode=5), API.format(inode=6)))
    daemon = pulse("127.0.0.1:50051", write(tmp_path, SESSION.format(port="9C40", inode=5), API.format(inode=7)))
    gone = pulse("127.0.0.1:50051", write(tmp_path))
    assert len({before, session, daemon, gone}) == 4


def test_a_unix_socket_made_anew_changes_the_pulse(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    missing = pulse(f"unix://{path}", str(tmp_path))
    path.touch()
    assert pulse(f"unix://{path}", str(tmp_path)) != missing
