"""usage: hosts.py up NAME... | down NAME...

A host of the lab is a set of namespaces: network (also known to `ip -n NAME`), mount, UTS, IPC and PID, with its own
/etc, /var, /run and /tmp; its configuration files are those of the code disk. Its process 1 only collects orphans;
killing it kills everything that runs on the host.

System calls instead of unshare(1), mount(8) and ip(8): starting a program costs 60 ms under emulation, and each host
would need a dozen.
"""

import ctypes
import os
import shutil
import signal
import sys
from contextlib import suppress

HOSTS = "/run/lab/host"
CONFIGURATION = "/opt/lab/hosts"
NAMESPACES = 0x40000000 | 0x20000000 | 0x08000000 | 0x04000000 | 0x00020000  # CLONE_NEW NET, PID, IPC, UTS, NS
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
COLLECT_ORPHANS = "while :; do sleep 86400; done"

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    arguments = source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None
    check(libc.mount(*arguments), f"mount {target}")


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def own_directories(name: str) -> None:
    """Everything a program may write on this host is the host's own; the rest is shared, and read."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    for top in ("etc", "var"):
        upper, work = f"{HOSTS}/{name}/{top}", f"{HOSTS}/{name}/{top}.work"
        mount("overlay", f"/{top}", "overlay", options=f"lowerdir=/{top},upperdir={upper},workdir={work}")
    mount("tmpfs", "/tmp", "tmpfs")
    write("/etc/hostname", f"{name}\n")
    write("/etc/hosts", f"127.0.0.1 localhost {name}\n::1 localhost {name}\n")
    mount("tmpfs", "/run", "tmpfs", options="mode=755")  # last: it hides the directories of the overlays


def process_one(name: str, ready: int) -> None:
    encoded = name.encode()
    check(libc.sethostname(encoded, len(encoded)), "sethostname")
    own_directories(name)
    os.write(ready, b"ok")
    os.close(ready)
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.execv("/bin/sh", ["/bin/sh", "-c", COLLECT_ORPHANS])


def start(name: str) -> int:
    """Starts process 1 of the host and returns its number, as the guest sees it. Returns once the host is complete."""
    for directory in ("etc", "etc.work", "var", "var.work"):
        shutil.rmtree(f"{HOSTS}/{name}/{directory}", ignore_errors=True)
        os.makedirs(f"{HOSTS}/{name}/{directory}")
    if os.path.isdir(f"{CONFIGURATION}/{name}"):
        shutil.copytree(f"{CONFIGURATION}/{name}", f"{HOSTS}/{name}", dirs_exist_ok=True)
    number_out, number_in = os.pipe()
    ready_out, ready_in = os.pipe()
    if os.fork() == 0:
        try:
            os.setsid()
            check(libc.unshare(NAMESPACES), "unshare")
            child = os.fork()  # CLONE_NEWPID takes effect for children only
            if child == 0:
                process_one(name, ready_in)
            os.write(number_in, str(child).encode())
        except OSError as error:
            print(f"host {name}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    os.close(number_in)
    os.close(ready_in)
    os.wait()
    number, is_ready = os.read(number_out, 20), os.read(ready_out, 2)
    if is_ready != b"ok":
        raise SystemExit(f"host {name} did not start")
    return int(number)


def up(name: str) -> None:
    pid = start(name)
    namespace = f"/run/netns/{name}"
    write(namespace, "")
    mount(f"/proc/{pid}/ns/net", namespace, flags=MS_BIND)
    write(f"{HOSTS}/{name}/pid", str(pid))


def down(name: str) -> None:
    """Power off, as the network sees it: interfaces, rules and translator instances vanish with the namespace."""
    with suppress(FileNotFoundError, ProcessLookupError):
        with open(f"{HOSTS}/{name}/pid") as file:
            os.kill(int(file.read()), signal.SIGKILL)
        os.unlink(f"{HOSTS}/{name}/pid")
    libc.umount2(f"/run/netns/{name}".encode(), MNT_DETACH)
    with suppress(FileNotFoundError):
        os.unlink(f"/run/netns/{name}")


def main() -> None:
    action = {"up": up, "down": down}[sys.argv[1]]
    for name in sys.argv[2:]:
        action(name)


if __name__ == "__main__":
    main()
