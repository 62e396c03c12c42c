"""The sandbox of kun-nat64.service under a real systemd: a program in its place tries what the agent may not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.machine import SUITES, Machine, booted

ROOT = Path(__file__).parent.parent.parent
UNITS = ROOT / "gateway-config" / "systemd"
# In the agent's place. `mount` and `setns` by their own calls; results as JSON.
TRIES = r"""
import ctypes, errno, json, os, socket, time
libc = ctypes.CDLL(None, use_errno=True)
found = {}

def call(name, *arguments):
    return 0 if getattr(libc, name)(*arguments) == 0 else ctypes.get_errno()

def opened(path, mode):
    try:
        open(path, mode).close()
        return 0
    except OSError as error:
        return error.errno

def connected(path):
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
        return 0
    except OSError as error:
        return error.errno

def entered(path, kind):
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        return error.errno
    child = os.fork()
    if child == 0:
        os._exit(call("setns", descriptor, kind))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

found["mount"] = call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
found["remount /"] = call("mount", None, b"/", None, 32 | 4096, None)
found["umount"] = call("umount2", b"/run/netns", 2)
found["unshare mounts"] = call("unshare", 0x00020000)
found["mounts of process 1"] = entered("/proc/1/ns/mnt", 0x00020000)
found["write /etc"] = opened("/etc/kun-was-here", "w")
found["write /run"] = opened("/run/kun-was-here", "w")
found["write /run/netns"] = opened("/run/netns/kun-was-here", "w")
found["systemd"] = connected("/run/systemd/private")
found["write own folder"] = opened("/run/kun-nat64/own", "w")
found["lock of iptables"] = opened("/run/xtables.lock", "a")
name = "/run/netns/kun-probe-gw1"
found["enter the namespace"] = entered(name, 0x40000000)
with open("/run/kun-nat64/results", "w") as file:
    json.dump(found, file)
# Somebody deletes the namespace; the agent asks, and finds another one.
while not os.path.exists("/run/kun-nat64/deleted"):
    time.sleep(0.05)
open(os.environ["KUN_NAT64_NETNS_REQUEST"], "w").close()
again = errno.ENOENT
for _ in range(200):
    again = entered(name, 0x40000000)
    if again == 0:
        break
    time.sleep(0.05)
with open("/run/kun-nat64/again", "w") as file:
    json.dump(again, file)
"""
REFUSED = (
    "mount", "remount /", "umount", "unshare mounts", "mounts of process 1", "write /etc", "write /run",
    "write /run/netns", "systemd",
)  # fmt: skip
WORKS = ("write own folder", "lock of iptables", "enter the namespace")


@pytest.fixture(params=["12", "13"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    with booted(SUITES[request.param], tmp_path) as running:
        yield running


def installed(machine: Machine) -> None:
    """The shipped units, with a program of the test in the agent's place, and no start that waits for it."""
    text = (UNITS / "kun-nat64.service").read_text()
    text = re.sub(r"^(ExecStart=).*", r"\1/usr/bin/python3 /usr/local/lib/tries.py", text, flags=re.MULTILINE)
    text = re.sub(r"^(Type=).*", r"\1exec", text, flags=re.MULTILINE)
    text = re.sub(r"^(ExecStartPost|ExecStop|ExecStopPost|WatchdogSec|Restart)=.*\n", "", text, flags=re.MULTILINE)
    files = {
        "etc/systemd/system/kun-nat64.service": text,
        "usr/local/lib/tries.py": TRIES,
        "usr/local/bin/kun-nat64-unit": (UNITS / "kun-nat64-unit").read_text(),
        "etc/kun/kun-nat64.toml": '[gateway]\nname = "gw1"\n',
        **{
            f"etc/systemd/system/{name}": (UNITS / name).read_text()
            for name in ("kun-nat64-netns.path", "kun-nat64-netns.service")
        },
    }
    for name, content in files.items():
        place = machine.tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        place.chmod(0o755)
    machine.do("systemctl", "daemon-reload")


def read(machine: Machine, name: str) -> object:
    script = (
        f"for i in $(seq 300); do [ -s /run/kun-nat64/{name} ] && break; sleep 0.1; done; cat /run/kun-nat64/{name}"
    )
    return json.loads(machine.do("sh", "-c", script))


def test_the_agent_mounts_nothing_and_gets_its_namespace_from_outside(machine: Machine) -> None:
    installed(machine)
    machine.do("systemctl", "start", "kun-nat64.service")
    found = read(machine, "results")
    assert isinstance(found, dict)
    journal = machine.run("journalctl", "--no-pager", "-n", "30").stdout
    assert {name: found[name] for name in WORKS} == dict.fromkeys(WORKS, 0), journal
    assert [name for name in REFUSED if found[name] == 0] == []
    machine.do("ip", "netns", "delete", "kun-probe-gw1")
    machine.do("touch", "/run/kun-nat64/deleted")
    assert read(machine, "again") == 0, machine.run("journalctl", "--no-pager", "-n", "30").stdout
    assert machine.run("test", "-e", "/run/kun-nat64/netns-wanted").returncode != 0
