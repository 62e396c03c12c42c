"""A small initial RAM disk: the modules for the guest's two disks, and five programs of klibc.

Debian's own takes seven seconds more under emulation, mostly for udev, which a machine with two known disks does not
need.
"""

import lzma
import shutil
from pathlib import Path

from lab.errors import LabError

# In this order. What a kernel has built in is not loaded: Debian 12 has all six as modules, Debian 13 the last alone.
_MODULES = (
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
)
_PROGRAMS = ("sh", "insmod", "mount", "run-init", "sleep")
_INIT = """#!/bin/sh
for module in {modules}; do insmod /modules/$module.ko; done
mount -t devtmpfs devtmpfs /dev
while [ ! -b /dev/vdb ]; do sleep 0.05; done
mount -t ext4 /dev/vda /root
mount -o move /dev /root/dev
exec run-init /root /sbin/kun-lab-init </root/dev/console >/root/dev/console 2>&1
"""
FOLDER = "root/initrd"
PACK = f"cd /{FOLDER} && find . | cpio --quiet -o -H newc >/initrd.img.lab"
"""To be run by a shell inside the tree: the archive appears there as /initrd.img.lab."""


def lay_out(tree: Path) -> None:
    """Put the parts into FOLDER of the tree. Raises LabError if the kernel package has moved a module."""
    (kernel,) = (path for path in (tree / "lib/modules").iterdir() if (path / "kernel").is_dir())
    folder = tree / FOLDER
    for name in ("bin", "lib", "usr", "proc", "sys", "dev", "root", "modules"):
        (folder / name).mkdir(parents=True)
    # The interpreter that klibc's programs name is /lib/klibc-*.so on Debian 12 and /usr/lib/klibc-*.so on 13.
    (folder / "usr/lib").symlink_to("../lib")
    for program in _PROGRAMS:
        shutil.copy(tree / "usr/lib/klibc/bin" / program, folder / "bin")
    for library in (tree / "usr/lib").glob("klibc-*.so"):
        shutil.copy(library, folder / "lib")
    modules = loadable(kernel)
    for module in modules:
        name = module.rsplit("/", 1)[1]
        (folder / "modules" / f"{name}.ko").write_bytes(read_module(kernel, module))
    init = folder / "init"
    init.write_text(_INIT.format(modules=" ".join(module.rsplit("/", 1)[1] for module in modules)))
    init.chmod(0o755)


def loadable(kernel: Path) -> tuple[str, ...]:
    """Return those of the modules that are not built into this kernel (its folder below /lib/modules)."""
    built_in = (kernel / "modules.builtin").read_text().split()
    return tuple(module for module in _MODULES if f"kernel/{module}.ko" not in built_in)


def read_module(kernel: Path, module: str) -> bytes:
    """Return the module as klibc's insmod takes it: uncompressed. Raises LabError if it is not there."""
    path = kernel / "kernel" / f"{module}.ko"
    packed = path.with_suffix(".ko.xz")  # Debian 13 compresses modules
    if path.exists():
        return path.read_bytes()
    if packed.exists():
        return lzma.decompress(packed.read_bytes())
    raise LabError(f"{kernel.name} has neither {path.name} nor {packed.name} in {path.parent}")
