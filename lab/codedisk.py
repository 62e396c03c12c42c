"""The second disk: the code under test, the shipped configuration, the lab's guest files. Made anew for each run."""

import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.extensions import ensure_extensions
from lab.image import Image
from lab.paths import GUEST_FILES, REPOSITORY
from lab.rendering import SHIPPED, host_files
from lab.shipped import Files
from lab.sysroot import compile_python
from lab.topology import Topology
from lab.wheel import build_wheel, unpack

_SIZE = "64M"


def shipped_files(repository: Path = REPOSITORY) -> Files:
    return {name: (repository / "gateway-config" / name).read_text() for name in SHIPPED}


def fill(directory: Path, image: Image, topology: Topology, token: str) -> None:
    """Lay out in `directory` what the guest will see as /opt/lab."""
    shutil.copytree(GUEST_FILES, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "gateway-config", directory / "gateway-config")
    (directory / "token").write_text(token)
    with tempfile.TemporaryDirectory() as scratch:
        unpack(build_wheel(Path(scratch)), directory / "site")
    shutil.copytree(ensure_extensions(image), directory / "site", dirs_exist_ok=True)
    compile_python(image.sysroot, image.debian, directory, "/opt/lab")
    shipped = shipped_files()
    for host in topology.hosts:
        (directory / "hosts" / host.name).mkdir(parents=True)
        for path, text in host_files(topology, host, shipped).items():
            target = directory / "hosts" / host.name / path.removeprefix("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)


def make_disk(directory: Path, image: Path) -> None:
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", str(directory), str(image), _SIZE]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"mke2fs failed: {done.stderr}")


def archive(directory: Path) -> bytes:
    """The same content as a tar, for a guest that runs already."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(directory.iterdir()):
            tar.add(path, arcname=path.name)
    return buffer.getvalue()
