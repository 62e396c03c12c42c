"""A throw-away authority, a server certificate for loopback, and the key pair of service account tokens."""

import subprocess
from pathlib import Path

CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, digitalSignature
[server]
basicConstraints = critical, CA:false
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:kubernetes.default.svc, IP:::1, IP:127.0.0.1, IP:fd00:10:96::1
"""


def make(folder: Path) -> None:
    """Write ca.crt, server.crt, server.key, sa.key and sa.pub."""
    (folder / "ca.cnf").write_text(CONFIG.format(name="kun test authority"))
    (folder / "server.cnf").write_text(CONFIG.format(name="localhost"))
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(
        folder, "req", "-x509", *key, "-config", "ca.cnf", "-extensions", "ca", "-keyout", "ca.key", "-out", "ca.crt"
    )
    signer = ["-CA", "ca.crt", "-CAkey", "ca.key"]
    extensions = ["-config", "server.cnf", "-extensions", "server"]
    openssl(folder, "req", "-x509", *key, *extensions, *signer, "-keyout", "server.key", "-out", "server.crt")
    openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sa.key")
    openssl(folder, "ec", "-in", "sa.key", "-pubout", "-out", "sa.pub")


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in the folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
