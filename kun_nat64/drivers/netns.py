"""Network namespaces by name (ip-netns(8)), entered with setns(2). os.setns exists from Python 3.12 on."""

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

RUN_NETNS = "/run/netns"
CLONE_NEWNET = 0x40000000

Made = TypeVar("Made")
_libc = ctypes.CDLL(None, use_errno=True)


def namespace_identity(name: str) -> tuple[int, int] | None:
    """Tells one namespace from a later one of the same name; None when the name leads to none."""
    try:
        status, own = os.stat(f"{RUN_NETNS}/{name}"), os.stat("/proc/self/ns/net")
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_dev == own.st_dev else None


def open_namespace(name: str) -> int:
    """A descriptor of the namespace, for the caller to close. Raises OSError."""
    return os.open(f"{RUN_NETNS}/{name}", os.O_RDONLY | os.O_CLOEXEC)


def enter_namespace(name: str) -> None:
    """Moves the calling thread, which must serve nothing else from then on. Raises OSError."""
    descriptor = open_namespace(name)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), name)
    finally:
        os.close(descriptor)


def make_inside(name: str, make: Callable[[], Made]) -> Made:
    """What `make` returns, called inside the namespace, in a thread of its own that ends at once.

    A socket stays in the namespace it was made in, whoever uses it. Raises OSError: no namespace, no right, no socket.
    """
    box: list[Made] = []
    errors: list[OSError] = []

    def work() -> None:
        try:
            enter_namespace(name)
            box.append(make())
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=work, name=f"into-{name}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return box[0]
