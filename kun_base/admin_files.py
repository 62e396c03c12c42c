"""The files of an admin listener: its token, and its certificate, which is read again when it changes."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from kun_base.admin_access import token_of
from kun_base.certificate_end import certificate_end

LOOK_S = 10.0


def read_token(path: str) -> str:
    """The token as it is now, so that a new one needs no reload; "" where there is none that can be used."""
    if not path:
        return ""
    try:
        return token_of(Path(path).read_text())
    except (OSError, ValueError):
        return ""


def file_problem(path: str) -> str:
    """What is wrong with a token file; "" where nothing is."""
    try:
        token_of(Path(path).read_text())
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError as error:
        return str(error)
    return "may be read by others: chmod 600" if os.stat(path).st_mode & 0o007 else ""


def pair_problem(certificate: str, key: str) -> str:
    """What is wrong with a certificate and its key; "" where nothing is."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:
        return f"and {key} cannot be used: {error.strerror or error}"
    return ""


class AdminCertificate:
    """Raises OSError (ssl.SSLError is one) when the pair cannot be used at the start; later the old one stays."""

    def __init__(self, certificate: str, key: str) -> None:
        import ssl

        self._pair = (certificate, key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_cert_chain(certificate, key)
        self._stamp = self._stamped()
        self.end = self._end()
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _stamped(self) -> tuple[tuple[int, int, int], ...]:
        with suppress(OSError):
            return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in map(os.stat, self._pair))
        return ()

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        # A pair that is written right now does not match yet: it is tried again at the next look.
        with suppress(OSError):
            self.context.load_cert_chain(*self._pair)
            self._stamp, self.end = stamp, self._end()

    def _end(self) -> float | None:
        """When it ends, seconds since 1970."""
        with suppress(OSError, ValueError):
            return certificate_end(Path(self._pair[0]).read_bytes())
        return None

    def close(self) -> None:
        self._timer.cancel()
