"""The API server by lightkube: its kubeconfig, its credentials, its typed errors; watches by `watch_stream.py`.

lightkube's own `watch` asks for no bookmarks and has no deadline on silence, so requests are built with its parts.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
from lightkube.config.client_adapter import ConnectionParams
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.core.exceptions import ConfigError as LightkubeConfigError
from lightkube.core.generic_client import BasicRequest, GenericAsyncClient

from kun_base.errors import ConfigError, Fault
from kun_cluster.model.egress import GROUP, VERSION
from kun_cluster.watch.kube_error import KubeError, words_of
from kun_cluster.watch.watch_stream import UNUSABLE, WatchStream

PATHS = {
    "Pod": "api/v1/pods",
    "Namespace": "api/v1/namespaces",
    "Node": "api/v1/nodes",
    "EgressPool": f"apis/{GROUP}/{VERSION}/egresspools",
    "EgressGateway": f"apis/{GROUP}/{VERSION}/egressgateways",
    "EgressPolicy": f"apis/{GROUP}/{VERSION}/egresspolicies",
    "EgressAllocation": f"apis/{GROUP}/{VERSION}/egressallocations",
}
ANSWER_S = 10.0


class KubeClient:
    """One connection pool to one API server."""

    def __init__(self, kubeconfig: str) -> None:
        """Read the kubeconfig; "": the pod's own service account. Raises ConfigError."""
        try:
            found = KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_service_account()
            config = found.get()
            assert config is not None, "no current context"
            parameters = ConnectionParams(timeout=httpx2.Timeout(ANSWER_S), trust_env=False)
            self._client = GenericAsyncClient(parameters, config, field_manager="kun-controller")
            self._stream = WatchStream(config)
        except (
            LightkubeConfigError,
            KeyError,
            TypeError,
            AttributeError,
            AssertionError,
            OSError,
            ValueError,
        ) as error:
            where = kubeconfig or "service account"
            wanted = "must be a kubeconfig with a current context, its cluster and its user"
            raise ConfigError("--kubeconfig", [Fault(where, "", f"{wanted}: {error}")]) from None

    def lines(self, kind: str, parameters: dict[str, str], silence_s: float) -> AsyncIterator[bytes]:
        """Give the lines of a watch, until the server ends it. Raises KubeError, also after `silence_s` of silence."""
        return self._stream.lines(PATHS[kind], {"watch": "true", **parameters}, silence_s)

    async def ask(
        self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None, content_type: str = ""
    ) -> dict[str, Any]:
        """Send one request and give its JSON. Raises KubeError."""
        headers = {"Content-Type": content_type} if content_type else None
        request = BasicRequest(method, path, params=parameters or {}, data=body, headers=headers)
        try:
            response = await self._client.send(self._client.build_adapter_request(request))
            self._client.raise_for_status(response)
            found: Any = response.json()
        except httpx2.HTTPError as error:
            raise translated(error) from None
        except ValueError as error:
            raise KubeError(0, f"an answer that is no JSON: {error}") from None
        except UNUSABLE as error:
            raise KubeError(0, words_of(error)) from None
        if not isinstance(found, dict):
            raise KubeError(0, f"an answer that is no object: {str(found)[:80]}")
        return found

    async def apply_status(self, kind: str, namespace: str, name: str, body: dict[str, Any]) -> None:
        """Server-side apply of a status, which is ours alone. Raises KubeError."""
        base, plural = PATHS[kind].rsplit("/", 1)
        where = f"{base}/namespaces/{namespace}/{plural}" if namespace else PATHS[kind]
        parameters = {"fieldManager": "kun-controller", "force": "true"}
        await self.ask("PATCH", f"{where}/{name}/status", body, parameters, "application/apply-patch+yaml")

    async def close(self) -> None:
        """Close all connections."""
        await self._stream.close()
        await self._client.close()


def translated(error: httpx2.HTTPError) -> KubeError:
    """Our own error for lightkube's and httpx2's."""
    if isinstance(error, ApiError):
        return KubeError(error.status.code or error.response.status_code, error.status.message or "")
    if isinstance(error, httpx2.HTTPStatusError):
        return KubeError(error.response.status_code, error.response.text[:300])
    return KubeError(0, words_of(error))
