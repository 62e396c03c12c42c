"""Build the image of kun-dns64 from its Debian package, without a registry.

    python3 packaging/build_image.py --deb FILE [--out out/kun-dns64-image.tar] [--name localhost/kun-dns64]

The base is a minimal Debian made by debootstrap; the rest is gateway-config/kubernetes/Containerfile. buildah runs its
commands in a chroot, so neither a daemon nor user namespaces are needed. Needs root and buildah.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from build_debs import commit, source_date  # noqa: E402
from chroots import ROOT, SUITES, ChrootError, archive, run_checked  # noqa: E402

RELEASE = "13"
# iproute2: for the tunnel of nodes, which the same image may run.
BASE_PACKAGES = ("ca-certificates", "iproute2", "python3")
CONTAINERFILE = ROOT / "gateway-config/kubernetes/Containerfile"
NAME = "localhost/kun-dns64"


@contextmanager
def storage() -> Iterator[list[str]]:
    """Options that keep buildah's images in a folder of their own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kun-image-", ignore_cleanup_errors=True) as folder:
        yield ["--storage-driver", "vfs", "--root", f"{folder}/root", "--runroot", f"{folder}/run"]


def import_base(options: Sequence[str]) -> str:
    """A base image from the system's archive; gives its name."""
    kept = archive(SUITES[RELEASE], BASE_PACKAGES)
    container = run_checked(["buildah", *options, "from", "scratch"]).stdout.strip()
    run_checked(["buildah", *options, "add", "--quiet", container, str(kept), "/"])
    dated = ["--timestamp", str(source_date())]
    run_checked(["buildah", *options, "commit", "--quiet", "--rm", *dated, container, "localhost/kun-base"])
    return "localhost/kun-base"


def build(options: Sequence[str], deb: Path, name: str) -> None:
    version = subprocess.run(["dpkg-deb", "--field", str(deb), "Version"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as context:
        packages = Path(context, "out/packages")
        packages.mkdir(parents=True)
        shutil.copy(deb, packages)
        told = Path(context, "gateway-config/kubernetes")
        told.mkdir(parents=True)
        shutil.copy(CONTAINERFILE.with_name("image.toml"), told)
        shutil.copy(ROOT / ".dockerignore", context)
        build_from(options, context, CONTAINERFILE, name, version.stdout.strip())


def build_from(options: Sequence[str], context: str, recipe: Path, name: str, version: str) -> None:
    """Run a Containerfile over a folder, upon the base made here. Raises ChrootError."""
    arguments = {"BASE": import_base(options), "VERSION": version, "REVISION": commit()}
    argv = ["buildah", *options, "build", "--quiet", "--isolation", "chroot", "--network", "host"]
    argv += ["--format", "docker", "--timestamp", str(source_date()), "--pull-never", "--tag", name]
    argv += ["--file", str(recipe)]
    argv += [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
    run_checked([*argv, context])


def export(options: Sequence[str], name: str, target: Path) -> None:
    """Write the image as an archive for `podman load`."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch, "image.tar")
        run_checked(["buildah", *options, "push", "--quiet", name, f"docker-archive:{made}:{name}"])
        settle(made, target)


def settle(made: Path, target: Path) -> None:
    """Write the archive again without what differs between builds: buildah's random names of container and host."""
    with tarfile.open(made) as source, tarfile.open(target, "w") as written:
        (told,) = json.loads(content(source, "manifest.json"))
        settings = json.loads(content(source, told["Config"]))
        settings.pop("container", None)
        for part in ("config", "container_config"):
            settings.get(part, {}).pop("Hostname", None)
        text = json.dumps(settings, sort_keys=True).encode()
        told["Config"] = f"{hashlib.sha256(text).hexdigest()}.json"
        for layer in dict.fromkeys(told["Layers"]):
            written.addfile(entry(layer, source.getmember(layer).size), source.extractfile(layer))
        for name, data in ((told["Config"], text), ("manifest.json", json.dumps([told]).encode())):
            written.addfile(entry(name, len(data)), io.BytesIO(data))


def content(archive: tarfile.TarFile, name: str) -> bytes:
    """Read a file of the archive. Raises KeyError when there is none."""
    file = archive.extractfile(name)
    return file.read() if file else b""


def entry(name: str, size: int) -> tarfile.TarInfo:
    """Give an entry of nobody in particular, and of no time."""
    found = tarfile.TarInfo(name)
    found.size = size
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deb", type=Path, required=True, help="kun-dns64_..._amd64.deb for Debian 13")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out/kun-dns64-image.tar", help="an archive for `podman load`"
    )
    parser.add_argument("--name", default=NAME)
    asked = parser.parse_args(arguments)
    if os.geteuid() != 0 or not shutil.which("buildah"):
        print("image: needs root and buildah (apt-get install buildah)", file=sys.stderr)
        return 1
    try:
        with storage() as options:
            build(options, asked.deb, asked.name)
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            export(options, asked.name, asked.out)
    except ChrootError as error:
        print(f"image: error: {error}", file=sys.stderr)
        return 1
    print(f"image: {asked.out} ({asked.out.stat().st_size // 2**20} MiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
