"""Builds kube-apiserver, kubectl, etcd and helm once, from pinned Go modules; run as a script, prints where they are.

Each folder here has a go.mod of its own. The first build takes minutes and 4 GB of Go's build cache; afterwards the
programs lie in the cache of the tests.
"""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.coredns.coredns_build import NoGo, cache_folder, go_command

HERE = Path(__file__).resolve().parent
BUILD_LIMIT_S = 3600
OLDEST = (1, 26)
TOOLCHAIN = "v0.0.1-go1.26.8"


@dataclass(frozen=True)
class Tool:
    """A program: the folder of its go.mod, and its package."""

    folder: str
    package: str


TOOLS = {
    "etcd": Tool("etcd", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": Tool("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kubectl": Tool("kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
    "helm": Tool("helm", "helm.sh/helm/v3/cmd/helm"),
}


def pinned(folder: str, module: str) -> str:
    """The version of a module in a go.mod: v1.37.2."""
    found = re.search(
        rf"^(?:require )?\s*{re.escape(module)} (v\S+)", (HERE / folder / "go.mod").read_text(), re.MULTILINE
    )
    if found is None:
        raise RuntimeError(f"{folder}/go.mod requires no {module}")
    return found[1]


def link_flags(tool: Tool) -> str:
    """Kubernetes is told its version by the linker; without it it would call itself v0.0.0."""
    if tool.folder != "kubernetes":
        return "-s -w"
    version = pinned("kubernetes", "k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".", 2)
    facts = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in facts.items())])


def recipe(tool: Tool) -> str:
    """Changes with anything that could change the program."""
    sources = [HERE / tool.folder / name for name in ("go.mod", "go.sum")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def built(name: str) -> Path:
    """Path of the finished program. Raises NoGo, or RuntimeError with the compiler's words."""
    tool = TOOLS[name]
    target = cache_folder() / f"{name}-{recipe(tool)}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f"{target.name}.{os.getpid()}")
    go = go_command(oldest=OLDEST, toolchain=TOOLCHAIN)
    options = ["-trimpath", "-buildvcs=false", f"-ldflags={link_flags(tool)}"]
    command = [go, "build", *options, "-o", str(half), tool.package]
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}
    environment.pop("GOROOT", None)
    done = subprocess.run(
        command,
        cwd=HERE / tool.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_LIMIT_S,
        check=False,
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
        for name in sys.argv[1:] or TOOLS:
            print(built(name))
    except (NoGo, RuntimeError) as error:
        sys.exit(str(error))
