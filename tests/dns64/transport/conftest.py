"""The loop that serves is uvloop, so these tests run on it; those of streams on the other one, too."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    both = item.path.name in ("test_streams.py", "test_tcp_server.py", "test_tcp_turns.py", "test_tls_server.py")
    return {"uvloop": uvloop.new_event_loop} | ({"asyncio": asyncio.new_event_loop} if both else {})


@dataclass(frozen=True)
class Certificate:
    context: ssl.SSLContext
    file: Path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Signed by itself, for the name dns.example."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl (Debian package openssl)")
    folder = tmp_path_factory.mktemp("tls")
    file, key = folder / "crt.pem", folder / "key.pem"
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=dns.example"]
    made += ["-addext", "subjectAltName=DNS:dns.example", "-keyout", str(key), "-out", str(file)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return Certificate(context, file)
