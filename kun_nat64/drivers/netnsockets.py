"""Sockets that live in another network namespace. A socket stays in the namespace it was made in, whoever uses it."""

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

CLONE_NEWNET = 0x40000000
RUN_NETNS = "/run/netns"

Made = TypeVar("Made")
_libc = ctypes.CDLL(None, use_errno=True)


def namespace_identity(name: str) -> tuple[int, int] | None:
    """Tells one namespace from a later one of the same name; None when there is none of that name."""
    try:
        status = os.stat(f"{RUN_NETNS}/{name}")
    except OSError:
        return None
    return status.st_dev, status.st_ino


def make_inside(name: str, make: Callable[[], Made]) -> Made:
    """What `make` returns, called inside the namespace `name`. Raises OSError: no namespace, no right, no socket.

    In a thread of its own that ends at once: setns(2) moves a thread, and a thread that was moved must serve nothing
    else. (os.setns exists from Python 3.12 on.)
    """
    box: list[Made] = []
    errors: list[OSError] = []

    def work() -> None:
        try:
            descriptor = os.open(f"{RUN_NETNS}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if _libc.setns(descriptor, CLONE_NEWNET) != 0:
                    code = ctypes.get_errno()
                    raise OSError(code, os.strerror(code), name)
            finally:
                os.close(descriptor)
            box.append(make())
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=work, name=f"into-{name}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return box[0]
