"""A real Prometheus on this machine that watches the lab with the shipped files, and a black-box exporter in the pod.

Prometheus reaches the lab's addresses through an HTTP proxy of ours, which runs `curl` on a host of the lab.
"""

import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab.api import Lab
from lab.errors import LabError
from lab.paths import REPOSITORY

SHIPPED = REPOSITORY / "gateway-config" / "prometheus"
EXPORTER = "prometheus-blackbox-exporter"
# Ports that no service of the pod has.
EXPORTER_AT = "127.0.0.1:9115"
# Emulated, each `curl` takes a second or several.
SCRAPE_S = 15
# Jobs whose targets the lab has, with the host from which they are asked, and their targets.
ASKED_FROM = {
    "kun-nat64": "tor",
    "kun-dns64": "dns",
    "kun-probe-dns": "pod",
    "kun-probe-page": "pod",
    "blackbox": "pod",
}


class Monitoring:
    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, promql: str) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode({"query": promql})
        with urllib.request.urlopen(f"{self._url}/api/v1/query?{query}", timeout=20) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def alerts(self, state: str = "firing") -> list[dict[str, Any]]:
        """Of gateways and of the path, not of the monitoring itself."""
        with urllib.request.urlopen(f"{self._url}/api/v1/alerts", timeout=20) as answer:
            found = json.load(answer)["data"]["alerts"]
        return [one for one in found if one["state"] == state and one["labels"]["severity"] != "none"]


@contextmanager
def monitored(lab: Lab) -> Iterator[Monitoring]:
    """Prometheus with rules.yml and monitoring.yml as they are shipped, while the block runs."""
    program = shutil.which("prometheus")
    if program is None or shutil.which(EXPORTER) is None:
        raise LabError("needs prometheus and prometheus-blackbox-exporter: python3 lab/host_setup.py tests")
    _start_exporter(lab)
    proxy = _Proxy(lab)
    try:
        with TemporaryDirectory(prefix="kun-prometheus-") as scratch, _prometheus(program, Path(scratch), proxy) as url:
            yield Monitoring(url)
    finally:
        proxy.close()
        lab.end("pod", "blackbox")


def _start_exporter(lab: Lab) -> None:
    binary = Path(str(shutil.which(EXPORTER))).read_bytes()
    lab.run("pod", "sh", "-c", f"cat > /tmp/{EXPORTER} && chmod +x /tmp/{EXPORTER}", stdin=binary, timeout_s=120.0)
    lab.run("pod", "sh", "-c", "cat > /tmp/blackbox.yml", stdin=(SHIPPED / "blackbox.yml").read_text())
    flags = ("--config.file=/tmp/blackbox.yml", f"--web.listen-address={EXPORTER_AT}")
    lab.spawn("pod", "blackbox", f"/tmp/{EXPORTER}", *flags)


class _Proxy:
    """Each job has a port of its own, so that the host which asks is known."""

    def __init__(self, lab: Lab) -> None:
        self.ports: dict[str, int] = {}
        self._servers = []
        for job, host in ASKED_FROM.items():
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(lab, host))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._servers.append(server)
            self.ports[job] = server.server_address[1]

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _handler(lab: Lab, host: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = lab.run(host, "curl", "-gsS", "--max-time", "12", self.path, check=False, timeout_s=30.0)
            with suppress(OSError):  # who asked may have gone
                self.send_response(200 if asked.code == 0 else 502)
                self.end_headers()
                self.wfile.write((asked.stdout if asked.code == 0 else asked.stderr).encode())

        def log_message(self, *_: object) -> None:
            return

    return Handler


@contextmanager
def _prometheus(program: str, folder: Path, proxy: _Proxy) -> Iterator[str]:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    (folder / "prometheus.yml").write_text(configuration((SHIPPED / "scrape.yml").read_text(), proxy.ports))
    for name in ("rules.yml", "monitoring.yml"):
        shutil.copy(SHIPPED / name, folder)
    flags = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, *flags, f"--web.listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def configuration(shipped: str, ports: dict[str, int]) -> str:
    """scrape.yml with the lab's servers as targets, through the proxies; without what the lab has not."""
    head, *jobs = re.split(r"(?m)^  - job_name: ", shipped)
    head = re.sub(r"(?ms)^alerting:.*?(?=^scrape_configs:)", "", head)
    kept = [head.replace("scrape_interval: 10s", f"scrape_interval: {SCRAPE_S}s\n  scrape_timeout: {SCRAPE_S}s")]
    for job in jobs:
        name = job.split("\n", 1)[0].strip()
        if name not in ports:
            continue
        text = job.replace(name, f"{name}\n    proxy_url: http://127.0.0.1:{ports[name]}", 1)
        if name == "kun-probe-dns":
            text = text.replace("127.0.0.1:5353", "[2002:a03:2::1]:53")
        kept.append(text)
    return "  - job_name: ".join(kept)
