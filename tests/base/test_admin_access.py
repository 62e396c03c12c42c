"""Who may read the admin pages and who may change the state, served for real; and the certificate of a listener."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base import admin_files
from kun_base.admin_access import Access, changing_refused, reading_refused, token_of
from kun_base.adminhttp import AdminServer, Page

TOKEN = "0123456789abcdef0123456789abcdef"
OWN = "gw1"


async def echo(_: Mapping[str, str]) -> Page:
    return Page("here\n")


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.2.2.2", True),
        ("::ffff:10.2.2.2", True),
        ("fe80::1%eth0", True),
        ("fd00::9", True),
        ("2002:a02:202::1", True),
        ("2002:c0a8:101::1", True),
        ("203.0.113.7", False),
        ("::ffff:203.0.113.7", False),
        ("2002:cb00:7107::1", False),
        ("2001:db8::1", False),
        ("100.64.0.1", False),
        ("", False),
        ("nobody", False),
    ],
)
def test_by_default_loopback_and_private_networks_may_read(peer: str, allowed: bool) -> None:
    refused = reading_refused(Access(), peer, {"Host": "10.2.1.2:9465"}, OWN)
    assert (refused is None) == allowed
    assert refused is None or (refused.status == 403 and "[admin] allow" in refused.words)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:9465", True),
        ("[::1]:9465", True),
        ("[fe80::1%25eth0]:9465", True),
        ("10.2.1.2", True),
        ("localhost:9465", True),
        ("GW1:9465", True),
        ("gw1.example.net:9465", True),
        ("gw1.example.net.", True),
        ("evil.example:9465", False),
        ("gw1.example.net.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_a_page_of_another_name_is_not_ours(host: str, allowed: bool) -> None:
    """DNS rebinding: the browser asks our address by a name of the attacker."""
    access = Access(names=("gw1.example.net",))
    refused = reading_refused(access, "127.0.0.1", {"Host": host}, OWN)
    assert (refused is None) == allowed
    assert refused is None or refused.status == 421


def test_a_request_of_http_1_0_needs_no_host() -> None:
    assert reading_refused(Access(), "127.0.0.1", {}, OWN) is None


BEARER = {"Host": "10.2.1.2:9465", "Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (BEARER, None),
        ({**BEARER, "Authorization": f"bearer {TOKEN}"}, None),
        ({**BEARER, "Origin": "http://10.2.1.2:9465"}, None),
        ({**BEARER, "Origin": "https://10.2.1.2:9465"}, 403),
        ({**BEARER, "Origin": "http://evil.example"}, 403),
        ({**BEARER, "Origin": "null"}, 403),
        ({**BEARER, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**BEARER, "Sec-Fetch-Site": "same-origin"}, None),
        ({**BEARER, "Authorization": f"Bearer {TOKEN}x"}, 401),
        ({**BEARER, "Authorization": f"Basic {TOKEN}"}, 401),
        ({**BEARER, "Authorization": "Bearer"}, 401),
        ({"Host": "10.2.1.2:9465"}, 401),
    ],
)
def test_a_change_wants_the_token_and_no_other_origin(headers: dict[str, str], status: int | None) -> None:
    refused = changing_refused(headers, TOKEN, encrypted=False)
    assert (refused.status if refused else None) == status


@given(st.text(max_size=40))
def test_no_other_word_is_the_token(word: str) -> None:
    refused = changing_refused({"Authorization": f"Bearer {word}"}, TOKEN, encrypted=False)
    assert (refused is None) == (word.strip() == TOKEN)


@pytest.mark.parametrize("text", ["", "short", "two words that are long", "ünïcödé-is-no-ASCII-word"])
def test_a_token_that_can_be_guessed_or_mistyped_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="16 ASCII"):
        token_of(text)


async def _asked(port: int, method: str, path: str, **headers: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}", headers=headers) as reply,
    ):
        return reply.status


async def test_a_listener_holds_to_it_and_follows_what_changes(tmp_path: Path) -> None:
    now = Access()
    server = AdminServer({"/see": echo}, {"/change": echo}, access=lambda: now)
    port = await server.start("127.0.0.1", 0)
    assert await _asked(port, "GET", "/see") == 200
    assert await _asked(port, "GET", "/see", Host="evil.example") == 421
    assert await _asked(port, "POST", "/change", Authorization=f"Bearer {TOKEN}") == 404, "there is no token"
    file = tmp_path / "token"
    now = Access(token_file=str(file))
    assert await _asked(port, "POST", "/change", Authorization=f"Bearer {TOKEN}") == 503, "the file is missing"
    file.write_text(TOKEN + "\n")
    assert await _asked(port, "POST", "/change", Authorization=f"Bearer {TOKEN}") == 200
    assert await _asked(port, "POST", "/change", Authorization="Bearer wrong") == 401
    assert await _asked(port, "POST", "/change") == 401
    assert await _asked(port, "POST", "/change", Authorization=f"Bearer {TOKEN}", Origin="http://evil.example") == 403
    assert await _asked(port, "POST", "/change", Authorization=f"Bearer {TOKEN}", Host="evil.example") == 421
    file.write_text("another-word-of-32-characters...")
    assert await _asked(port, "POST", "/change", Authorization=f"Bearer {TOKEN}") == 401, "a new token, without reload"
    now = Access(allow=(ip_network("10.9.9.9/32"),), token_file=str(file))
    assert await _asked(port, "GET", "/see") == 403
    assert await _asked(port, "POST", "/change", Authorization="Bearer another-word-of-32-characters...") == 403
    await server.close()


async def test_the_unix_socket_needs_no_token(tmp_path: Path) -> None:
    access = lambda: Access(allow=(ip_network("10.9.9.9/32"),))  # noqa: E731
    server = AdminServer({"/see": echo}, {"/change": echo}, access=access)
    await server.start_unix(str(tmp_path / "s"))
    connector = aiohttp.UnixConnector(str(tmp_path / "s"))
    async with aiohttp.ClientSession(connector=connector) as session:
        for method, path in (("GET", "/see"), ("POST", "/change")):
            async with session.request(method, f"http://gateway{path}") as reply:
                assert reply.status == 200
    await server.close()


def made_pair(folder: Path, name: str) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    assert openssl is not None, "needs openssl (Debian package openssl)"
    certificate, key = folder / "tls.crt", folder / "tls.key"
    argv = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*argv, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


async def _served_certificate(port: int) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found


async def test_the_pages_are_encrypted_and_a_new_certificate_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_files, "LOOK_S", 0.05)
    certificate, key = made_pair(tmp_path, "one")
    access = Access(certificate=str(certificate), key=str(key))
    server = AdminServer({"/see": echo}, access=lambda: access)
    port = await server.start("127.0.0.1", 0)
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://127.0.0.1:{port}/see", ssl=trusted) as reply,
    ):
        assert reply.status == 200
    with pytest.raises(aiohttp.ClientError):
        await _asked(port, "GET", "/see")
    before = await _served_certificate(port)
    certificate.write_text("half a certificate")
    await asyncio.sleep(0.15)
    assert await _served_certificate(port) == before, "a pair that cannot be used changes nothing"
    made_pair(tmp_path, "two")
    async with asyncio.timeout(5):
        while await _served_certificate(port) == before:  # noqa: ASYNC110 - the other side tells nobody
            await asyncio.sleep(0.05)
    await server.close()


async def test_a_certificate_that_cannot_be_used_is_an_error_of_the_start(tmp_path: Path) -> None:
    access = Access(certificate=str(tmp_path / "none.crt"), key=str(tmp_path / "none.key"))
    server = AdminServer({"/see": echo}, access=lambda: access)
    with pytest.raises(OSError):
        await server.start("127.0.0.1", 0)
    await server.close()


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    token = tmp_path / "token"
    assert "cannot be read" in admin_files.file_problem(str(token))
    token.write_text("short")
    assert "openssl rand" in admin_files.file_problem(str(token))
    token.write_text(TOKEN)
    token.chmod(0o644)
    assert "chmod 600" in admin_files.file_problem(str(token))
    token.chmod(0o640)
    assert admin_files.file_problem(str(token)) == ""
    certificate, key = made_pair(tmp_path, "one")
    assert admin_files.pair_problem(str(certificate), str(key)) == ""
    assert "cannot be used" in admin_files.pair_problem(str(certificate), str(token))


def test_the_hosts_own_name_is_the_kernels() -> None:
    assert reading_refused(Access(), "127.0.0.1", {"Host": socket.gethostname()}, socket.gethostname()) is None
