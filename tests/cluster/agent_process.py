"""The real agent of kun-nat64 as a process of its own: its admin port, its table, its decisions; the machine is facts.

Run as a script with one JSON argument: `port`, `members` (URLs), `controller` (URL), `token_file`, `folder`, `name`,
`version`, `healthy`.
"""

import asyncio
import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class AgentProcess:
    """One gateway. `version` and `healthy` are those of the next start."""

    def __init__(
        self,
        name: str,
        port: int,
        ports: list[int],
        controller: str,
        token_file: Path,
        folder: Path,
        ca: Path | str = "",
    ) -> None:
        self.name, self.port, self.version, self.healthy = name, port, "1.0.0", True
        self._folder = folder / name
        self._folder.mkdir()
        members = [f"http://127.0.0.1:{other}" for other in ports if other != port]
        self._given: dict[str, Any] = {
            "name": name, "port": port, "members": members, "controller": controller, "token_file": str(token_file),
            "folder": str(self._folder), "ca_file": str(ca),
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "AgentProcess":
        given = {**self._given, "version": self.version, "healthy": self.healthy}
        with (self._folder / "log").open("ab") as log:
            argv = [sys.executable, str(Path(__file__).resolve()), json.dumps(given)]
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=ROOT)
        return self

    def output(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
            self._process = None


def spec_of(given: dict[str, Any]) -> Any:
    from kun_nat64.config.load import from_data

    data = tomllib.loads((ROOT / "gateway-config" / "kun-nat64.toml").read_text())
    changes: dict[str, dict[str, Any]] = {
        "gateway": {"name": given["name"], "observe_s": 0.5},
        "nat64": {"session_log": ""},
        "health": {"interval_s": 0.1, "timeout_s": 0.1, "rise": 3, "hold_down_s": 0.5},
        "fleet": {"members": given["members"], "listen": ""},
        "admin": {"listen": f"127.0.0.1:{given['port']}"},
        "drain": {"grace_s": 1.0},
        "follow": {
            "url": given["controller"], "token_file": given["token_file"], "state_dir": given["folder"],
            "consumer": given["name"], "ca_file": given["ca_file"],
        },
    }  # fmt: skip
    for section, keys in changes.items():
        data[section] = {**data.get(section, {}), **keys}
    return from_data(data, str(Path(given["folder"]) / "kun-nat64.toml"))


async def run(given: dict[str, Any]) -> None:
    from kun_nat64.model.health import Symptom
    from kun_nat64.views import status
    from tests.nat64.cli.test_agent import Running

    status.version = lambda: given["version"]  # type: ignore[attr-defined]
    running = Running(spec_of(given), Path(given["folder"]) / "run")
    running.prober.symptom = Symptom.ANSWERED if given["healthy"] else Symptom.TIMEOUT
    async with running:
        await running.task


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    asyncio.run(run(json.loads(sys.argv[1])))
