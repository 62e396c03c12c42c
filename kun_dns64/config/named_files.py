"""The files that the configuration names: whether they can be read and hold what they should. Changes nothing."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kun_base.admin_files import file_problem, pair_problem
from kun_base.errors import Fault
from kun_base.partial import as_far_as_readable
from kun_dns64.config.file import ConfigFile
from kun_dns64.config.values import parse_cookie_secret

MAX_SOCKET_PATH = 107


def file_faults(config: ConfigFile, folder: Path) -> Iterator[Fault]:
    """Every named file that cannot be used; relative names are below `folder`. Domain files: domain_lists.py."""
    for check in (_cookie_secret, _certificate, _authority, _dnstap, _admin, _gateway_authority):
        yield from as_far_as_readable(check(config, folder))


def reading_faults(where: str, name: str, folder: Path) -> Iterator[Fault]:
    """Why the file that stands at the key `where` cannot be read."""
    try:
        if stat.S_ISFIFO((folder / name).stat().st_mode):
            # To open it would wait for whoever writes, and a reload has others behind it.
            yield Fault(where, repr(name), "is a pipe; must be a file that can be read again at a reload")
            return
        with (folder / name).open("rb") as stream:
            stream.read(1)
    except OSError as error:
        yield Fault(where, repr(name), f"cannot be read: {error.strerror} ({folder / name})")


def _cookie_secret(config: ConfigFile, folder: Path) -> Iterator[Fault]:
    where, name = "server.cookie_secret_file", config.server.cookie_secret_file
    if not name:
        return
    if unreadable := list(reading_faults(where, name, folder)):
        yield from unreadable
        return
    try:
        parse_cookie_secret((folder / name).read_text(encoding="utf-8", errors="replace"))
    except ValueError as error:
        yield Fault(where, repr(name), str(error))


def _certificate(config: ConfigFile, folder: Path) -> Iterator[Fault]:
    """The pair is loaded as the listener will load it. `ssl` is imported only where TLS is used."""
    if config.server.tls is None:
        return
    named = {key: getattr(config.server.tls, key, None) for key in ("certificate", "key")}
    unreadable = [
        fault for key, name in named.items() if name is not None
        for fault in reading_faults(f"server.tls.{key}", name, folder)
    ]  # fmt: skip
    yield from unreadable
    if unreadable or None in named.values():
        return
    import ssl

    certificate, key = config.server.tls.certificate, config.server.tls.key
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / certificate, folder / key, password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as error:
        yield Fault("server.tls", repr(certificate), f"certificate and key cannot be used together: {error}")


def _no_password() -> str:
    raise ValueError("the key is protected by a password")


def _admin(config: ConfigFile, folder: Path) -> Iterator[Fault]:
    admin = config.admin
    if bool(admin.certificate) != bool(admin.key):
        given, missing = ("certificate", "key") if admin.certificate else ("key", "certificate")
        yield Fault(f"admin.{given}", repr(getattr(admin, given)), f"needs admin.{missing} as well")
    elif admin.certificate and (problem := pair_problem(str(folder / admin.certificate), str(folder / admin.key))):
        yield Fault("admin.certificate", repr(admin.certificate), problem)
    if admin.token_file and (problem := file_problem(str(folder / admin.token_file))):
        yield Fault("admin.token_file", repr(admin.token_file), problem)


def _authority(config: ConfigFile, folder: Path) -> Iterator[Fault]:
    yield from _authorities("upstream.ca_file", config.upstream.ca_file, folder)


def _gateway_authority(config: ConfigFile, folder: Path) -> Iterator[Fault]:
    yield from _authorities("dns64.gateway_ca_file", config.dns64.gateway_ca_file, folder)


def _authorities(where: str, name: str, folder: Path) -> Iterator[Fault]:
    if not name:
        return
    import ssl

    try:
        ssl.create_default_context(cafile=str(folder / name))
    except (ssl.SSLError, OSError) as error:
        yield Fault(where, repr(name), f"holds no certificates that can be read: {error}")


def _dnstap(config: ConfigFile, folder: Path) -> Iterator[Fault]:
    """Made at start, not here: only the places are looked at."""
    section = config.dnstap
    for key in ("socket", "file"):
        name = getattr(section, key, "")
        if name and not (folder / name).parent.is_dir():
            yield Fault(f"dnstap.{key}", repr(name), f"its folder does not exist: {(folder / name).parent}")
    if section.file and (folder / section.file).is_dir():
        yield Fault("dnstap.file", repr(section.file), "is a folder; must be a file")
    if len(os.fsencode(folder / section.socket)) > MAX_SOCKET_PATH:
        yield Fault("dnstap.socket", repr(section.socket), f"is longer than {MAX_SOCKET_PATH} bytes, see unix(7)")
