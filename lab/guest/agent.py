"""Command server inside the guest: runs commands in the lab's hosts for the machine outside.

One connection is one request. The first line is JSON (`token`, `op`, and the arguments of the operation); afterwards
both sides send frames: one byte kind, four bytes length, payload. See lab/channel.py for the other end.

    to the guest     i standard input   e end of input   w window size {"rows", "columns"}
    from the guest   o standard output  r standard error  x result (JSON), always last

Runs with the standard library alone, so that it starts quickly under emulation.
"""

import contextlib
import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading

PORT = 7000
LOGS = os.environ.get("LAB_AGENT_LOGS", "/run/lab/log")
FRAME = struct.Struct(">cI")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

background: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
background_lock = threading.Lock()


class Connection:
    """Frames over one socket; writing is safe from several threads."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reader = sock.makefile("rb")
        self.lock = threading.Lock()

    def send(self, kind: bytes, payload: bytes) -> None:
        with self.lock:
            self.sock.sendall(FRAME.pack(kind, len(payload)) + payload)

    def receive(self) -> tuple[bytes, bytes] | None:
        """The next frame, or None when the other side has gone."""
        head = self.reader.read(FRAME.size)
        if len(head) < FRAME.size:
            return None
        kind, length = FRAME.unpack(head)
        return kind, self.reader.read(length)


def namespaced(host: str, argv: list[str]) -> list[str]:
    """The same command inside a host's namespaces; the guest itself is the host named ''."""
    if not host:
        return argv
    with open(f"/run/lab/host/{host}/pid") as file:
        return ["nsenter", f"--target={file.read().strip()}", "--all", "--", *argv]


def environment(extra: dict[str, str]) -> dict[str, str]:
    return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "linux"} | extra


def kill_group(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def signal_command(process: subprocess.Popen[bytes], number: int) -> None:
    """To the command itself: nsenter, which waits for it, would die of the signal and hide whether the command has."""
    with open(f"/proc/{process.pid}/comm") as file:
        wrapped = file.read().strip() == "nsenter"
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        children = [int(word) for word in file.read().split()]
    for pid in children if wrapped and children else [process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    if wrapped and number != signal.SIGSTOP:
        # nsenter stops itself when its command is stopped, and would not see how that one ends or goes on.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)


def copy_out(connection: Connection, kind: bytes, descriptor: int) -> None:
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # a terminal whose last process has gone answers EIO
            return
        if not data:
            return
        with contextlib.suppress(OSError):
            connection.send(kind, data)


def copy_in(connection: Connection, process: subprocess.Popen[bytes], descriptor: int, terminal: bool) -> None:
    """Feeds the command until the other side stops; a lost connection ends the command."""
    inlet: int | None = descriptor
    while frame := connection.receive():
        kind, payload = frame
        if kind == b"i" and inlet is not None:
            if not write_all(inlet, payload):
                inlet = None
        elif kind == b"e" and not terminal and inlet is not None:
            os.close(inlet)
            inlet = None
        elif kind == b"w" and terminal:
            size = json.loads(payload)
            fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", size["rows"], size["columns"], 0, 0))
    if process.poll() is None:
        kill_group(process)


def write_all(descriptor: int, payload: bytes) -> bool:
    """False when the reader has closed its end."""
    view = memoryview(payload)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        return False
    return True


def run(connection: Connection, request: dict[str, object]) -> dict[str, object]:
    """Runs one command to its end, streaming its input and output."""
    argv = namespaced(str(request["host"]), list(request["argv"]))  # type: ignore[call-overload]
    env = environment(dict(request.get("env") or {}))  # type: ignore[call-overload]
    if request.get("terminal"):
        master, slave = pty.openpty()
        process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, preexec_fn=own_terminal)
        os.close(slave)
        outputs, inlet, terminal = [(b"o", master)], master, True
    else:
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True)
        assert process.stdin
        assert process.stdout
        assert process.stderr
        outputs = [(b"o", process.stdout.fileno()), (b"r", process.stderr.fileno())]
        inlet, terminal = os.dup(process.stdin.fileno()), False
        process.stdin.close()
    threads = [threading.Thread(target=copy_out, args=(connection, *out), daemon=True) for out in outputs]
    threading.Thread(target=copy_in, args=(connection, process, inlet, terminal), daemon=True).start()
    for thread in threads:
        thread.start()
    code = finish(process, request.get("timeout_s"))
    for thread in threads:
        thread.join(2)  # a command may leave a child behind that keeps its output open
    return {"code": code, "timed_out": code is None}


def own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def finish(process: subprocess.Popen[bytes], timeout_s: object) -> int | None:
    try:
        return process.wait(float(timeout_s) if timeout_s else None)  # type: ignore[arg-type]
    except subprocess.TimeoutExpired:
        kill_group(process)
        process.wait()
        return None


def spawn(connection: Connection, request: dict[str, object]) -> dict[str, object]:
    """Starts a command that outlives the connection; its output goes to a log file."""
    host, name = str(request["host"]), str(request["name"])
    argv = namespaced(host, list(request["argv"]))  # type: ignore[call-overload]
    env = environment(dict(request.get("env") or {}))  # type: ignore[call-overload]
    with background_lock:
        old = background.get((host, name))
        if old and old.poll() is None:
            return {"error": f"{name} already runs on {host or 'the guest'}"}
        with open(f"{LOGS}/{host or 'guest'}.{name}.log", "ab") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
            )
        background[host, name] = process
    return {"pid": process.pid}


def stop(connection: Connection, request: dict[str, object]) -> dict[str, object]:
    """Sends a signal to a background command and waits for its end, at most `wait_s` seconds."""
    process = background.get((str(request["host"]), str(request["name"])))
    if process is None:
        return {"error": "no such background command"}
    if process.poll() is None:
        signal_command(process, int(request["signal"]))  # type: ignore[call-overload]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(float(request["wait_s"]))  # type: ignore[arg-type]
    return {"code": process.poll()}


def processes(connection: Connection, request: dict[str, object]) -> dict[str, object]:
    """Every background command ever started, with its exit code (None: it runs)."""
    return {
        "processes": [
            {"host": host, "name": name, "pid": process.pid, "code": process.poll()}
            for (host, name), process in background.items()
        ]
    }


def ping(connection: Connection, request: dict[str, object]) -> dict[str, object]:
    return {}


OPERATIONS = {"run": run, "spawn": spawn, "stop": stop, "processes": processes, "ping": ping}


def serve_one(sock: socket.socket, token: str) -> None:
    with contextlib.suppress(OSError), sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock)
        request = json.loads(connection.reader.readline() or b"{}")
        if request.get("token") != token:
            return
        try:
            result = OPERATIONS[request["op"]](connection, request)
        except Exception as error:  # the other side must hear of it, whatever it was
            result = {"error": f"{type(error).__name__}: {error}"}
        connection.send(b"x", json.dumps(result).encode())
        sock.shutdown(socket.SHUT_WR)


def main() -> None:
    token, where = sys.argv[1].strip(), ("0.0.0.0", PORT)
    if len(sys.argv) > 2:  # the tests run it without a guest
        where = ("127.0.0.1", int(sys.argv[2]))
    with socket.create_server(where, backlog=64) as server:
        while True:
            sock, _ = server.accept()
            threading.Thread(target=serve_one, args=(sock, token), daemon=True).start()


if __name__ == "__main__":
    main()
