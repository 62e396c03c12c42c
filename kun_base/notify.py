"""Tells systemd how we are (sd_notify protocol, systemd's sd_notify(3)); does nothing where there is no systemd."""

import os
import socket


def notify(*lines: str) -> bool:
    """Sends `READY=1`, `RELOADING=1`, `STOPPING=1`, `WATCHDOG=1`, `STATUS=...`. False: nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto("\n".join(lines).encode(), target)
    except OSError:
        return False
    return True


def watchdog_interval_s() -> float | None:
    """Half of what systemd allows between two WATCHDOG=1, or None when it asks for none."""
    micros = os.environ.get("WATCHDOG_USEC", "")
    for_us = os.environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    return int(micros) / 2_000_000 if micros.isdigit() and for_us else None
