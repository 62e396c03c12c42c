import threading
import time

from kun_nat64.drivers.deadman import DeadMan


def test_a_hang_withdraws_once() -> None:
    sprung = threading.Event()
    calls: list[float] = []

    def withdraw() -> None:
        calls.append(time.monotonic())
        sprung.set()

    dead_man = DeadMan(withdraw, interval_s=0.02, checks=3)
    dead_man.start()
    for _ in range(10):
        dead_man.beat()
        time.sleep(0.02)
    assert not calls, "a beating heart"
    assert sprung.wait(5)
    time.sleep(0.2)
    assert len(calls) == 1
    assert dead_man.sprung == 1
    dead_man.close()


def test_after_a_hang_it_watches_on() -> None:
    calls: list[int] = []
    dead_man = DeadMan(lambda: calls.append(1), interval_s=0.02, checks=2)
    dead_man.start()
    deadline = time.monotonic() + 5
    while len(calls) < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    dead_man.beat()
    while len(calls) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    dead_man.close()
    assert len(calls) == 2
