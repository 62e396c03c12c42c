"""Agents that lie and a Lease that was edited: kun-controller goes on, and its status says what it knows."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cluster.api_server import Cluster
from tests.cluster.controller_process import ControllerProcess
from tests.cluster.test_following import egress

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
GOOD = """{"version": "1", "diagnosis": {"words": "fine"},
"announcement": {"announced": true, "withdrawn": false, "standing": "full", "words": "announced", "since_s": 90},
"health": {"verdict": "healthy", "targets": [{"proven_s_ago": 0.25}]}}"""
LIES = {
    "a time without end": GOOD.replace("0.25", "Infinity"),
    "a time before all": GOOD.replace("0.25", "1e12"),
    "half a letter": GOOD.replace('"announced",', '"\\ud800",'),
    "a number too large": GOOD.replace("90", "9" * 400),
    "words too many": GOOD.replace("fine", "x" * 900_000),
}


class LyingAgent:
    """Answers each request by `body`."""

    def __init__(self) -> None:
        self.body = GOOD
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = agent.body.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def agent() -> Iterator[LyingAgent]:
    found = LyingAgent()
    yield found
    found.server.shutdown()
    found.server.server_close()


def words(cluster: Cluster, gateway: dict[str, Any]) -> tuple[str, str]:
    """Diagnosis, and message of the condition Announced."""
    status = cluster.get(gateway).get("status") or {}
    told = {one["type"]: one["message"] for one in status.get("conditions", ())}
    return status.get("diagnosis", ""), told.get("Announced", "")


def test_no_lie_of_an_agent_ends_the_leader(cluster: Cluster, agent: LyingAgent, tmp_path: Path) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lied-to"}})
    made = [
        egress("EgressPool", "lied-to", vip="203.0.113.60", allowedNamespaces={"names": []}),
        egress("EgressGateway", "liar", pool="lied-to", admin=agent.url),
    ]
    for obj in made:
        cluster.apply(obj)
    process = ControllerProcess(cluster.kubeconfig("admin"), tmp_path, "lied-to", "--namespace", "lied-to")
    try:
        process.start()
        for lie in LIES.values():
            agent.body = GOOD
            process.wait(lambda: words(cluster, made[1]) == ("fine", "announced"), 40)
            agent.body = lie
            process.wait(lambda: words(cluster, made[1]) != ("fine", "announced"), 40)
        assert process.is_alive
        assert "Traceback" not in process.output()
    finally:
        process.kill()
        for obj in reversed(made):
            cluster.delete(obj)


def test_a_lease_edited_by_hand_is_taken_after_a_minute(cluster: Cluster, tmp_path: Path) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ghostly"}})
    lease = {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "kun-controller", "namespace": "ghostly"},
        "spec": {
            "holderIdentity": "ghost", "leaseDurationSeconds": 2**31 - 1, "leaseTransitions": 2**31 - 1,
            "renewTime": "2026-01-01T00:00:00.000000Z",
        },
    }  # fmt: skip
    cluster.apply(lease)
    process = ControllerProcess(cluster.kubeconfig("admin"), tmp_path, "after-ghost", "--namespace", "ghostly")
    try:
        process.start()
        process.wait(lambda: bool(process.status().get("leads")), 90)
    finally:
        process.kill()
        cluster.delete(lease)
