"""Asks another gateway over its admin port, for the commands: one request, one JSON answer."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S, LARGEST = 3.0, 1 << 20


class MemberSilent(Exception):
    """No answer, or not one of a gateway; the message says why."""


def ask_member(
    url: str,
    path: str,
    *,
    method: str = "GET",
    ca_file: str = "",
    token: str = "",
    also: tuple[int, ...] = (),
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """`url` as in [fleet] members; `ca_file` "": the system's authorities; `also`: other HTTP statuses than 200.

    Raises MemberSilent.
    """
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection = _connection(parts.scheme, parts.hostname or "", parts.port, ca_file, timeout_s)
        try:
            connection.request(method, f"{parts.path.rstrip('/')}{path}", headers=headers)
            answer = connection.getresponse()
            body = answer.read(LARGEST + 1)
        finally:
            connection.close()
        if answer.status not in (200, *also) or len(body) > LARGEST:
            words = body[:300].decode(errors="replace").strip()
            raise MemberSilent(
                f"HTTP status {answer.status}: {words}" if len(body) <= LARGEST else "too large an answer"
            )
        return json.loads(body)
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        raise MemberSilent(str(error) or type(error).__name__) from error


def _connection(scheme: str, host: str, port: int | None, ca_file: str, timeout_s: float) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port or 80, timeout=timeout_s)
    import ssl

    context = ssl.create_default_context(cafile=ca_file or None)
    return http.client.HTTPSConnection(host, port or 443, timeout=timeout_s, context=context)
