"""The files that the configuration names: whether they can be read and hold what they should. Changes nothing."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kun_base.errors import Fault
from kun_dns64.config.file import ConfigFile, DnstapSection, TlsSection
from kun_dns64.config.values import parse_cookie_secret

MAX_SOCKET_PATH = 107


def file_faults(config: ConfigFile, folder: Path) -> Iterator[Fault]:
    """Every named file that cannot be used; relative names are below `folder`."""
    server = config.server
    if server.cookie_secret_file:
        yield from _cookie_secret(server.cookie_secret_file, folder)
    if server.tls is not None:
        yield from _certificate(server.tls, folder)
    if config.upstream.ca_file:
        yield from _authority(config.upstream.ca_file, folder)
    yield from _dnstap(config.dnstap, folder)
    for index, pool in enumerate(config.pool):
        for place, name in enumerate(pool.domain_files):
            yield from _readable(f"pool[{index}].domain_files[{place}]", name, folder)


def _readable(where: str, name: str, folder: Path) -> Iterator[Fault]:
    try:
        if stat.S_ISFIFO((folder / name).stat().st_mode):
            # To open it would wait for whoever writes, and a reload has others behind it.
            yield Fault(where, repr(name), "is a pipe; wants a file that can be read again at every reload")
            return
        with (folder / name).open("rb") as stream:
            stream.read(1)
    except OSError as error:
        yield Fault(where, repr(name), f"cannot be read: {error.strerror} ({folder / name})")


def _dnstap(section: DnstapSection, folder: Path) -> Iterator[Fault]:
    """Made at start, not here: only the places are looked at."""
    for key, name in (("socket", section.socket), ("file", section.file)):
        if name and not (folder / name).parent.is_dir():
            yield Fault(f"dnstap.{key}", repr(name), f"its folder does not exist: {(folder / name).parent}")
    if section.file and (folder / section.file).is_dir():
        yield Fault("dnstap.file", repr(section.file), "is a folder; wants the name of a file")
    if len(os.fsencode(folder / section.socket)) > MAX_SOCKET_PATH:
        yield Fault("dnstap.socket", repr(section.socket), f"is longer than {MAX_SOCKET_PATH} octets, see unix(7)")


def _cookie_secret(name: str, folder: Path) -> Iterator[Fault]:
    where = "server.cookie_secret_file"
    if unreadable := list(_readable(where, name, folder)):
        yield from unreadable
        return
    try:
        parse_cookie_secret((folder / name).read_text(encoding="utf-8", errors="replace"))
    except ValueError as error:
        yield Fault(where, repr(name), str(error))


def _certificate(tls: TlsSection, folder: Path) -> Iterator[Fault]:
    """The pair is loaded as the listener will load it. `ssl` is imported only where TLS is used."""
    unreadable = [
        *_readable("server.tls.certificate", tls.certificate, folder),
        *_readable("server.tls.key", tls.key, folder),
    ]
    yield from unreadable
    if unreadable:
        return
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            folder / tls.certificate, folder / tls.key, password=_no_password
        )
    except (ssl.SSLError, ValueError, OSError) as error:
        yield Fault("server.tls", repr(tls.certificate), f"certificate and key cannot be used together: {error}")


def _no_password() -> str:
    raise ValueError("the key is protected by a password")


def _authority(name: str, folder: Path) -> Iterator[Fault]:
    import ssl

    try:
        ssl.create_default_context(cafile=str(folder / name))
    except (ssl.SSLError, OSError) as error:
        yield Fault("upstream.ca_file", repr(name), f"holds no certificates that can be read: {error}")
