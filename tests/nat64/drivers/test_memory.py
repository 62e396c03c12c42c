"""What may be remembered between two looks, and what makes it forgotten."""

import socket
import struct
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kun_nat64.drivers.observation_cache import Memo
from kun_nat64.drivers.socketdiag import Found, SocketDiag
from kun_nat64.drivers.speaker_liveness import WHOLE_LOOK_S, SpeakerPulse, established, pulse

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
    assert established(one) == 1


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


BOTH = (SESSION.format(port="9C40", inode=5), API.format(inode=6))


@dataclass
class Kernel:
    """Knows sockets by their ends."""

    sockets: dict[tuple[str, str], Found] = field(
        default_factory=lambda: {
            ("0201020A:9C40", "0101020A:00B3"): ("5", "01"),
            ("0100007F:C383", "00000000:0000"): ("6", "0A"),
        }
    )

    def __call__(self, local: str, remote: str) -> Found | None:
        return self.sockets.get((local, remote))


def test_what_is_still_there_is_looked_up_and_no_file_is_read(tmp_path: Path) -> None:
    beat = SpeakerPulse("127.0.0.1:50051", 1, write(tmp_path, *BOTH), Kernel())
    first = beat.take(100.0)
    write(tmp_path)
    assert beat.take(109.9) == first == pulse("127.0.0.1:50051", write(tmp_path, *BOTH))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({("0201020A:9C40", "0101020A:00B3"): None}, id="the session is gone"),
        pytest.param({("0201020A:9C40", "0101020A:00B3"): ("5", "08")}, id="the session is being closed"),
        pytest.param({("0100007F:C383", "00000000:0000"): ("7", "0A")}, id="another daemon listens"),
    ],
)
def test_what_is_not_as_it_was_is_read_anew(change: dict[tuple[str, str], Found | None], tmp_path: Path) -> None:
    kernel = Kernel()
    beat = SpeakerPulse("127.0.0.1:50051", 1, write(tmp_path, *BOTH), kernel)
    first = beat.take(100.0)
    kernel.sockets |= change
    write(tmp_path)
    assert beat.take(102.0) != first


def test_another_session_beside_what_is_known_is_noticed(tmp_path: Path) -> None:
    lone = SpeakerPulse("127.0.0.1:50051", 1, write(tmp_path, *BOTH), Kernel())
    two = SpeakerPulse("127.0.0.1:50051", 2, str(tmp_path), Kernel())
    before = lone.take(100.0), two.take(100.0)
    write(tmp_path, *BOTH, SESSION.format(port="9C41", inode=8))
    assert lone.take(102.0) == before[0], "all peers are there"
    assert lone.take(100.0 + WHOLE_LOOK_S) != before[0]
    assert two.take(102.0) != before[1], "one was missing"


def test_the_kernel_tells_of_one_socket_what_its_file_says() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        closing(SocketDiag()) as kernel,
    ):
        here, there = _as_in_proc(client.getsockname()), _as_in_proc(client.getpeername())
        found = kernel.look_up(here, there)
        if found is None:
            pytest.skip("this machine's kernel has no tcp_diag")
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        (line,) = [cells for cells in lines if cells[1:3] == [here, there]]
        assert found == (line[9], line[3])
        assert kernel.look_up(there, "00000000:0000") == (str(_inode(server)), "0A")
        assert kernel.look_up("0100007F:0001", "00000000:0000") is None
        assert kernel.look_up(there, "00000000:0000") == (str(_inode(server)), "0A"), (
            "an answer is that of its question"
        )


def _as_in_proc(end: tuple[str, int]) -> str:
    (word,) = struct.unpack("=I", socket.inet_aton(end[0]))
    return f"{word:08X}:{end[1]:04X}"


def _inode(server: socket.socket) -> int:
    return Path(f"/proc/self/fd/{server.fileno()}").stat().st_ino
