#!/usr/bin/python3
"""Calls for help when the monitoring falls silent: the receiver of the alert KunWatchdog, on a machine of its own.

Alertmanager sends it the alert every minute. After --silence seconds without one it runs COMMAND once, with the words
in its standard input; again only after the heart-beat has returned. GET / answers 200 while it beats, 503 otherwise.

  heartbeat.py --listen 10.2.7.2:9099 --silence 300 -- mail -s "monitoring is silent" noc@example.net
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST_BYTES = 1 << 20
LOOK_S = 0.5


class HeartBeat:
    """When the last beat came, and whether its absence has been told."""

    def __init__(self, silence_s: float, command: list[str]) -> None:
        self._silence_s, self._command = silence_s, command
        self._last = time.monotonic()
        self._told = False

    @property
    def silent_s(self) -> float:
        return time.monotonic() - self._last

    @property
    def beats(self) -> bool:
        return self.silent_s <= self._silence_s

    def beat(self) -> None:
        if self._told:
            print("the heart-beat is back", flush=True)
        self._last, self._told = time.monotonic(), False

    def look(self) -> None:
        if self.beats or self._told:
            return
        self._told = True
        causes = "Prometheus, Alertmanager or the way here fails"
        words = f"no heart-beat of the monitoring for {self.silent_s:.0f} s: {causes}\n"
        print(words, end="", flush=True)
        try:
            done = subprocess.run(self._command, input=words, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"cannot call for help: {error}", file=sys.stderr, flush=True)
            self._told = False
            time.sleep(10 * LOOK_S)
            return
        if done.returncode:
            print(f"{self._command[0]} ended with {done.returncode}", file=sys.stderr, flush=True)


def handler_for(heart: HeartBeat) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            self._answer(200 if heart.beats else 503, f"last heart-beat {heart.silent_s:.0f} s ago\n")

        def do_POST(self) -> None:
            """Only a firing KunWatchdog is a beat: another alert sent here by mistake proves nothing."""
            try:
                size = int(self.headers.get("Content-Length", "0"))
                told = json.loads(self.rfile.read(min(size, MOST_BYTES)))
                names = {one["labels"]["alertname"] for one in told["alerts"] if one["status"] == "firing"}
            except (ValueError, KeyError, TypeError):
                self._answer(400, "wants a message of Alertmanager's webhook\n")
                return
            if "KunWatchdog" in names:
                heart.beat()
            self._answer(200, "heard\n")

        def _answer(self, status: int, words: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(words.encode())

        def log_message(self, *_: object) -> None:
            return

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--silence", type=float, default=300.0, metavar="SECONDS")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    given = parser.parse_args()
    host, _, port = given.listen.rpartition(":")
    heart = HeartBeat(given.silence, given.command)
    server = ThreadingHTTPServer((host.strip("[]"), int(port)), handler_for(heart))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        time.sleep(LOOK_S)
        heart.look()


if __name__ == "__main__":
    main()
