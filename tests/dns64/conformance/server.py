"""The real `kun-dns64 serve` as a subprocess, one for each configuration, shared by all cases that need it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.ports import free_port

Table = Mapping[str, Any]
V4, V6 = "127.0.0.1", "::1"
READY_S = 20.0

_TROUBLE = re.compile(r"traceback|exception", re.IGNORECASE)


def to_toml(tables: Mapping[str, Any]) -> str:
    """TOML of the shapes our configuration has: tables, arrays of tables, scalars and lists."""
    text = []
    for name, value in tables.items():
        tables_of_name = [(f"[[{name}]]", row) for row in value] if isinstance(value, list) else [(f"[{name}]", value)]
        for header, table in tables_of_name:
            text += [header, *(f"{key} = {_inline(item)}" for key, item in table.items()), ""]
    return "\n".join(text)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


def command() -> list[str]:
    """The program as installed beside this interpreter."""
    script = Path(sys.executable).with_name("kun-dns64")
    return [str(script)] if script.exists() else [sys.executable, "-m", "kun_dns64"]


class Server:
    """One running kun-dns64. The addresses to listen on are chosen here; `hosts` in `config` replaces loopback."""

    def __init__(self, config: Mapping[str, Any], directory: Path, name: str, port: int = 0) -> None:
        self.port, self.admin_port = port or free_port(V4, V6), free_port(V4)
        self.config_file = directory / f"{name}.toml"
        self.log_file = directory / f"{name}.log"
        self._read_up_to = 0
        self._told_to_stop = False
        self._lock = threading.Lock()
        self.write_config(config)
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*command(), "serve", "--config", str(self.config_file)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        self._wait_until_ready()

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Replace the file in one step; the running server is not told."""
        listen = [f"{host}:{self.port}" for host in config.get("hosts", (V4, f"[{V6}]"))]
        own: dict[str, Any] = {
            "server": {"listen": listen, "workers": 1},
            "admin": {"listen": f"{V4}:{self.admin_port}"},
        }
        for table, value in config.items():
            if table == "hosts":
                continue
            own[table] = own.get(table, {}) | value if isinstance(value, Mapping) else value
        draft = self.config_file.with_suffix(".new")
        draft.write_text(to_toml(own))
        draft.replace(self.config_file)

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        while "ready" not in self.log_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"kun-dns64 did not become ready\n{self.config_file.read_text()}\n{self.log_text()}")
            time.sleep(0.05)

    def log_text(self) -> str:
        return self.log_file.read_text(errors="replace")

    def new_trouble(self) -> str:
        """The log since the last call, if it speaks of an exception; else nothing."""
        with self._lock, self.log_file.open("rb") as log:
            log.seek(self._read_up_to)
            fresh = log.read()
            self._read_up_to += len(fresh)
        text = fresh.decode(errors="replace")
        return text if _TROUBLE.search(text) else ""

    def alive(self) -> bool:
        return self.process.poll() is None

    def tell_to_stop(self) -> None:
        if self.alive() and not self._told_to_stop:
            self.process.terminate()
        self._told_to_stop = True

    def stop(self) -> int:
        """SIGTERM, as a service manager does, once; the exit status."""
        self.tell_to_stop()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class ServerPool:
    """Starts each configuration at its first use and keeps it until the end of the session."""

    def __init__(self, configs: Mapping[str, Mapping[str, Any]], directory: Path) -> None:
        self._configs = configs
        self._directory = directory
        self._locks = {name: threading.Lock() for name in configs}
        self._lock = threading.Lock()
        self._running: dict[str, Server | RuntimeError] = {}

    def get(self, name: str, lane: str = "") -> Server:
        """The server of that configuration; a lane keeps cases with silent upstreams away from the others."""
        key = f"{name}{lane}"
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._running:
                try:
                    self._running[key] = Server(self._configs[name], self._directory, key)
                except RuntimeError as failure:
                    self._running[key] = failure
            found = self._running[key]
        if isinstance(found, RuntimeError):
            raise found
        return found

    def private(self, name: str, config: Mapping[str, Any], port: int = 0) -> Server:
        """A server that one test owns, for tests that reload or end it; the caller stops it."""
        return Server(config, self._directory, name.replace("[", "-").replace("]", ""), port)

    def stop(self) -> list[str]:
        """End all; the names and last words of those that did not end well or logged an exception."""
        bad = []
        running = {name: server for name, server in self._running.items() if isinstance(server, Server)}
        for server in running.values():
            server.tell_to_stop()
        for name, server in running.items():
            status: int | str = "no end after SIGTERM"
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = server.stop()
            if status != 0 or _TROUBLE.search(server.log_text()):
                bad.append(f"{name}: exit status {status}\n{server.log_text()[-3000:]}")
        return bad
