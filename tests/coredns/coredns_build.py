"""Builds the pinned CoreDNS (and the checker of Kubernetes manifests) once; run as a script, prints where it is.

Both come out of go.mod here: `go tool -C tests/coredns coredns` runs the same program without keeping it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = {"coredns": "github.com/coredns/coredns", "kubecheck": "./kubecheck"}
BUILD_LIMIT_S = 1800
USUAL_FOLDERS = ("/usr/local/go/bin", "/usr/lib/go/bin")


class NoGo(Exception):
    """There is no usable Go; the text says what is missing."""


def go_command(path: str | None = None) -> str:
    """`path`: folders to look in; by default PATH and where Go's own archive and Debian put it."""
    found = shutil.which("go", path=path or os.pathsep.join([os.environ.get("PATH", ""), *USUAL_FOLDERS]))
    if found is None:
        raise NoGo("needs Go 1.25 or later (https://go.dev/dl/) to build the pinned CoreDNS")
    return found


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
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
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
