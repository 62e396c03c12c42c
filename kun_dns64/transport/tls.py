"""TLS contexts: for our listener (RFC 7858) and towards upstreams, whose names are always verified (RFC 8310)."""

import ssl
from pathlib import Path


def upstream_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the system's authorities, or only those in `ca_file`. TLS 1.2 and later."""
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError is one) when the pair cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["dot"])
    return context
