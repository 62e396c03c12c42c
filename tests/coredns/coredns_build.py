"""Builds the pinned CoreDNS (and the checker of Kubernetes manifests) once; run as a script, prints where it is.

Both come out of go.mod here: `go tool -C tests/coredns coredns` runs the same program without keeping it.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = {"coredns": "github.com/coredns/coredns", "kubecheck": "./kubecheck"}
BUILD_LIMIT_S = 1800
OLDEST = (1, 25)
TOOLCHAIN = "v0.0.1-go1.25.5"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
USUAL_FOLDERS = ("/usr/local/go/bin", "/usr/lib/go/bin")


class NoGo(Exception):
    """There is no usable Go; the text says what is missing."""


def go_command(path: str | None = None, oldest: tuple[int, int] = OLDEST, toolchain: str = TOOLCHAIN) -> str:
    """A Go that is new enough. `path`: folders to look in; default PATH, and where Go and Debian put it.

    `toolchain`: the module of Go's own distribution that is fetched in the place of an older one.
    """
    found = shutil.which("go", path=path or os.pathsep.join([os.environ.get("PATH", ""), *USUAL_FOLDERS]))
    if found is None:
        raise NoGo("needs Go to build the pinned CoreDNS (Debian package golang-go)")
    return found if version_of(found) >= oldest else newer_than(found, oldest, toolchain)


def version_of(go: str) -> tuple[int, int]:
    said = subprocess.run([go, "version"], capture_output=True, text=True, timeout=60, check=False, cwd="/").stdout
    numbers = re.search(r"go(\d+)\.(\d+)", said)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def newer_than(old: str, oldest: tuple[int, int] = OLDEST, toolchain: str = TOOLCHAIN) -> str:
    """Go's own distribution as a module, checked like any other: what Go 1.21 and later do by themselves."""
    module = f"golang.org/toolchain@{toolchain}.linux-{MACHINES.get(platform.machine(), 'amd64')}"
    with tempfile.TemporaryDirectory() as folder:
        argv = [old, "mod", "download", "-json", module]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
    if done.returncode != 0:
        raise NoGo(f"needs Go {oldest[0]}.{oldest[1]}: {old} is older and could not fetch {module}")
    home = Path(json.loads(done.stdout)["Dir"])
    # A module's files lose their modes on the way.
    for program in (*home.glob("bin/*"), *home.glob("pkg/tool/*/*")):
        program.chmod(0o555)
    return str(home / "bin" / "go")


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kun-tests"


def recipe() -> str:
    """Changes with anything that could change the programs."""
    sources = [HERE / "go.mod", HERE / "go.sum", *sorted((HERE / "kubecheck").glob("*.go"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def built(name: str) -> Path:
    """Path of the finished program. Raises NoGo, or RuntimeError with the compiler's words."""
    target = cache_folder() / f"{name}-{recipe()}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f"{target.name}.{os.getpid()}")
    command = [go_command(), "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(half), PROGRAMS[name]]
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    environment.pop("GOROOT", None)
    done = subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    half.rename(target)
    for old in target.parent.glob(f"{name}-*"):
        if old != target:
            old.unlink(missing_ok=True)
    return target


if __name__ == "__main__":
    try:
        print(built(sys.argv[1] if len(sys.argv) > 1 else "coredns"))
    except (NoGo, RuntimeError) as error:
        sys.exit(str(error))
