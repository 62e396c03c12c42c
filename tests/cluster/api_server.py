"""A real etcd and a real API server as processes, and a plain client for tests."""

import json
import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import certificates
from tests.ports import free_port

START_S = 60
TOKENS = {"admin": "system:masters", "controller": "", "stranger": ""}
CONTROLLER_USER = "system:serviceaccount:kun:kun-controller"


class Refused(Exception):
    """The API server's answer: HTTP status and its Status object."""

    def __init__(self, code: int, status: dict[str, Any]) -> None:
        self.code, self.status = code, status
        super().__init__(f"{code}: {status.get('message')}")


@dataclass
class Cluster:
    """One API server over one etcd, both in `folder`. `programs`: paths by name."""

    programs: dict[str, Path]
    folder: Path
    port: int = field(default_factory=lambda: free_port("::1"))
    etcd_port: int = field(default_factory=free_port)
    _etcd: subprocess.Popen[bytes] | None = None
    _server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make certificates and tokens, and start both."""
        certificates.make(self.folder)
        rows = [
            f'{name},{CONTROLLER_USER if name == "controller" else name},{name},"{group}"'
            for name, group in TOKENS.items()
        ]
        (self.folder / "tokens.csv").write_text("\n".join(rows) + "\n")
        for name in TOKENS:
            self.kubeconfig(name).write_text(yaml.safe_dump(self._kubeconfig(name)))
        self.start_etcd()
        self.start_server()

    def start_etcd(self, data: str = "etcd") -> None:
        """Start etcd on its folder."""
        url, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{free_port()}"
        argv = [
            str(self.programs["etcd"]), "--data-dir", data, "--unsafe-no-fsync", "--log-level", "error",
            "--listen-client-urls", url, "--advertise-client-urls", url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        ]  # fmt: skip
        self._etcd = self._run("etcd", argv)

    def start_server(self) -> None:
        """Start the API server, and wait until it is ready."""
        argv = [
            str(self.programs["kube-apiserver"]), "--etcd-servers", f"http://127.0.0.1:{self.etcd_port}",
            "--bind-address", "::1", "--advertise-address", "::1", "--endpoint-reconciler-type", "none",
            "--secure-port", str(self.port), "--service-cluster-ip-range", "fd00:10:96::/112",
            "--tls-cert-file", "server.crt", "--tls-private-key-file", "server.key",
            "--authorization-mode", "RBAC", "--token-auth-file", "tokens.csv",
            "--service-account-key-file", "sa.pub", "--service-account-signing-key-file", "sa.key",
            "--service-account-issuer", "https://kubernetes.default.svc",
            "--disable-admission-plugins", "ServiceAccount",
        ]  # fmt: skip
        self._server = self._run("apiserver", argv)
        self._wait_ready()

    def kill_server(self) -> None:
        """End the API server at once: with a watch open it would take a minute to end by itself."""
        if self._server is not None:
            self._server.send_signal(signal.SIGKILL)
            self._server.wait(10)
            self._server = None

    def stop_etcd(self) -> None:
        """End etcd."""
        if self._etcd is not None:
            self._etcd.terminate()
            self._etcd.wait(30)
            self._etcd = None

    def compact(self) -> None:
        """Throw etcd's history away: only what is so now can be read."""

        def ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
            url, data = f"http://127.0.0.1:{self.etcd_port}/v3/kv/{path}", json.dumps(body).encode()
            with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=30) as reply:
                found: dict[str, Any] = json.load(reply)
                return found

        revision = ask("range", {"key": "AA=="})["header"]["revision"]
        ask("compaction", {"revision": revision, "physical": True})

    def stop(self) -> None:
        """End both, the API server first: without etcd it would not end at all."""
        self.kill_server()
        self.stop_etcd()

    def kubeconfig(self, who: str) -> Path:
        """File of `admin`, `controller` or `stranger`."""
        return self.folder / f"{who}.kubeconfig"

    def request(
        self, method: str, path: str, body: object = None, who: str = "admin", content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Ask the API server. Raises Refused for anything but success."""
        request = urllib.request.Request(
            f"https://[::1]:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {who}", "Content-Type": content_type},
        )
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as reply:
                found: dict[str, Any] = json.load(reply)
                return found
        except urllib.error.HTTPError as error:
            raise Refused(error.code, json.loads(error.read() or b"{}")) from None

    def stream(self, path: str) -> Iterator[bytes]:
        """Lines of a watch, as the admin sees them."""
        headers = {"Authorization": "Bearer admin"}
        request = urllib.request.Request(f"https://[::1]:{self.port}{path}", headers=headers)
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        with urllib.request.urlopen(request, timeout=60, context=context) as reply:
            yield from reply

    def apply(
        self, obj: dict[str, Any], who: str = "admin", status: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        """Server-side apply with strict validation; returns the object as it is then."""
        path = f"{path_of(obj)}{'/status' if status else ''}?fieldManager=test&force=true&fieldValidation=Strict"
        return self.request(
            "PATCH", path + ("&dryRun=All" if dry_run else ""), obj, who, "application/apply-patch+yaml"
        )

    def delete(self, obj: dict[str, Any]) -> None:
        """Delete an object at once."""
        self.request("DELETE", f"{path_of(obj)}?gracePeriodSeconds=0")

    def get(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The object as it is now."""
        return self.request("GET", path_of(obj))

    def kubectl(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl as admin; `text` goes to its standard input."""
        argv = [str(self.programs["kubectl"]), "--kubeconfig", str(self.kubeconfig("admin")), *arguments]
        environment = os.environ | {"HOME": str(self.folder)}
        return subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=120, check=False, env=environment
        )

    def _run(self, name: str, argv: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(argv, cwd=self.folder, stdout=log, stderr=log)

    def _wait_ready(self) -> None:
        end = time.monotonic() + START_S
        while True:
            try:
                self.request("GET", "/api/v1/namespaces/default")
                return
            except (OSError, Refused):
                if time.monotonic() > end or (self._server is not None and self._server.poll() is not None):
                    text = (self.folder / "apiserver.log").read_text(errors="replace")[-3000:]
                    raise AssertionError(f"the API server did not start: {text}") from None
                time.sleep(0.1)

    def _kubeconfig(self, who: str) -> dict[str, Any]:
        cluster = {"server": f"https://[::1]:{self.port}", "certificate-authority": str(self.folder / "ca.crt")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": who, "user": {"token": who}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": who}}],
        }


PLURALS = {
    "EgressPolicy": "egresspolicies",
    "NetworkPolicy": "networkpolicies",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
}
CLUSTER_SCOPED = frozenset(
    (
        "Namespace", "Node", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "EgressPool",
        "EgressGateway", "EgressAllocation", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
    )
)  # fmt: skip


def path_of(obj: dict[str, Any]) -> str:
    """Path of an object at the API server."""
    version, kind, meta = obj["apiVersion"], obj["kind"], obj["metadata"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = PLURALS.get(kind, f"{kind.lower()}s")
    inside = "" if kind in CLUSTER_SCOPED else f"/namespaces/{meta.get('namespace', 'default')}"
    return f"{base}{inside}/{plural}/{meta['name']}"
