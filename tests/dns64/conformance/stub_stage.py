"""A network namespace in which kun-dns64 is the machine's resolver on port 53, as a script for `unshare`.

Run as a module with a directory, it reads `commands.json` (name to argv) there, starts upstream and server, points
/etc/resolv.conf at the server, runs each command and leaves `results.json` (name to exit status and output).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .case import a, aaaa, bare_nodata, error, nodata, nxdomain, says
from .configs import filled, plain
from .names import Names
from .script import Action, After, Drop, Says
from .server import Server
from .upstream import ScriptedUpstream

STUB = Names("stub.example.", "0.0.0.0")

SCRIPT: dict[str, Action] = {
    "only-a.@ A": a(".33", ".34", owner="only-a.@"),
    "both.@ A": a(".33", owner="both.@"),
    "both.@ AAAA": aaaa("2001:db8::1", owner="both.@"),
    "only-aaaa.@ AAAA": aaaa("2001:db8::1", owner="only-aaaa.@"),
    "nowhere.@ A": nxdomain(),
    "nowhere.@ AAAA": nxdomain(),
    "hostile.@ AAAA": error("SERVFAIL"),
    "hostile.@ A": a(".33", owner="hostile.@"),
    "refusing.@ AAAA": error("REFUSED"),
    "refusing.@ A": a(".33", owner="refusing.@"),
    "silent.@ AAAA": Drop(),
    "silent.@ A": a(".33", owner="silent.@"),
    "empty.@ A": nodata(),
    "no-soa.@ AAAA": bare_nodata(),
    "no-soa.@ A": a(".33", owner="no-soa.@"),
    "alias.@ A": says("alias.@ 60 CNAME only-a.@", "only-a.@ 60 A 192.0.2.33"),
    "alias.@ AAAA": nodata(answer=("alias.@ 60 CNAME only-a.@",)),
    "slow.@ A": After(0.4, a(".33", owner="slow.@")),
    "many.@ A": a(*(f"20.0.0.{i}" for i in range(1, 61)), owner="many.@"),
    "33.2.0.192.in-addr.arpa. PTR": Says(("33.2.0.192.in-addr.arpa. 60 PTR only-a.@",)),
}


def _set_up(directory: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (directory / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:5 attempts:1\n")
    (directory / "nsswitch.conf").write_text("hosts: dns\n")
    for name in ("resolv.conf", "nsswitch.conf"):
        subprocess.run(["mount", "--bind", str(directory / name), f"/etc/{name}"], check=True)


def _run(argv: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return -1, "no end within 20 s"
    return done.returncode, done.stdout + done.stderr


def main(directory: Path) -> None:
    _set_up(directory)
    upstream = ScriptedUpstream().start()
    upstream.script(STUB, SCRIPT)
    config = filled(plain(hosts=["127.0.0.1", "[::1]"]), {"ONE": upstream.address})
    server = Server(config, directory, "stub", port=53)
    try:
        commands = json.loads((directory / "commands.json").read_text())
        results = {name: _run(argv) for name, argv in commands.items()}
        (directory / "results.json").write_text(json.dumps({"results": results, "trouble": server.new_trouble()}))
    finally:
        server.stop()
        upstream.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
