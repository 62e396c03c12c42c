"""A consumer of the stream, made from the document alone: it checks every rule it can."""

import hashlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any


class Reader:
    """Follows one controller in a thread, and keeps its records. `lines`: everything that came."""

    def __init__(self, port: int, token: str, view: str = "all", have: str = "", name: str = "reader") -> None:
        self.records: dict[tuple[str, str], Any] = {}
        self.version, self.revision, self.total = "", 0, 0
        self.lines: list[dict[str, Any]] = []
        self.error: Exception | None = None
        url = f"http://127.0.0.1:{port}/v1/table?clients={view}&consumer={name}&role=resolver"
        request = urllib.request.Request(
            url + (f"&have={have}" if have else ""), headers={"Authorization": f"Bearer {token}"}
        )
        self._reply = urllib.request.urlopen(request, timeout=30)
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> "Reader":
        self._thread.start()
        return self

    def close(self) -> None:
        """Cut the connection."""
        self._reply.close()

    def wait(self, what: Callable[["Reader"], bool], timeout_s: float = 20.0) -> float:
        """Wait until something is so; returns the seconds it took."""
        start = time.monotonic()
        while not what(self):
            if self.error is not None:
                raise self.error
            if time.monotonic() > start + timeout_s:
                raise AssertionError(f"not within {timeout_s} s; last lines: {self.lines[-5:]}")
            time.sleep(0.005)
        return time.monotonic() - start

    def client(self, network: str) -> str | None:
        """Class of a client."""
        found = self.records.get(("client", network))
        return found[0] if found else None

    def _follow(self) -> None:
        try:
            for raw in self._reply:
                line = json.loads(raw)
                self._take(line)
                self.lines.append(line)
        except (ValueError, AttributeError, OSError):
            return
        except Exception as error:  # a broken rule: shown by the test that waits
            self.error = error

    def _take(self, line: dict[str, Any]) -> None:
        match line["type"]:
            case "begin":
                self._begin(line)
            case "pool" | "gateway" | "class" as kind:
                self._new[kind, line["name"]] = line["value"]
            case "clients":
                assert 1 <= len(line["entries"]) <= 500
                for network, name in line["entries"]:
                    self._new["client", network] = (line["class"], line["namespace"], name)
            case "remove":
                for plural, keys in line.items():
                    if plural != "type":
                        self._gone += [({"classes": "class"}.get(plural, plural[:-1]), key) for key in keys]
            case "commit":
                self._commit(line)
            case "heartbeat":
                assert line["version"] == self.version or not self.version
                self.revision = line["revision"]

    def _begin(self, line: dict[str, Any]) -> None:
        self._new: dict[tuple[str, str], Any] = {}
        self._gone: list[tuple[str, str]] = []
        if line["change"] == "snapshot":
            self.records, self.total = {}, 0
        else:
            assert line["from"] == self.version or not self.version

    def _commit(self, line: dict[str, Any]) -> None:
        assert not self._new.keys() & set(self._gone)
        records = dict(self.records)
        for key in self._gone:
            self.total -= text_hash(key, records.pop(key))
        for key, value in self._new.items():
            if key in records:
                self.total -= text_hash(key, records[key])
            self.total += text_hash(key, value)
            records[key] = value
        assert f"{self.total % 2**128:032x}" == line["version"]
        counts = {kind: sum(key[0] == kind for key in records) for kind in ("pool", "gateway", "class", "client")}
        assert counts == line["counts"]
        classes = {name for kind, name in records if kind == "class"}
        assert {value[0] for (kind, _), value in records.items() if kind == "client"} <= classes
        self.records, self.version, self.revision = records, line["version"], line["revision"]


def text_hash(key: tuple[str, str], value: Any) -> int:
    """docs/kubernetes.md, "Versions"."""
    if key[0] == "client":
        text = "\t".join((*key, *value))
    else:
        text = f"{key[0]}\t{key[1]}\t{json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False)}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def refusal(port: int, path: str, token: str) -> int:
    """HTTP status of a request that is expected to be refused."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            code: int = reply.status
            return code
    except urllib.error.HTTPError as error:
        return error.code
