"""A small initial RAM disk: six modules and five programs of klibc.

Debian's own takes seven seconds more under emulation, mostly for udev, which a machine with two known disks does not
need.
"""

import shutil
from pathlib import Path

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
    """Puts the parts into FOLDER of the tree. Raises FileNotFoundError if the kernel package has moved a module."""
    (kernel,) = (path for path in (tree / "lib/modules").iterdir() if (path / "kernel").is_dir())
    folder = tree / FOLDER
    for name in ("bin", "lib", "proc", "sys", "dev", "root", "modules"):
        (folder / name).mkdir(parents=True)
    for program in _PROGRAMS:
        shutil.copy(tree / "usr/lib/klibc/bin" / program, folder / "bin")
    for library in (tree / "usr/lib").glob("klibc-*.so"):
        shutil.copy(library, folder / "lib")
    for module in _MODULES:
        shutil.copy(kernel / "kernel" / f"{module}.ko", folder / "modules")
    init = folder / "init"
    init.write_text(_INIT.format(modules=" ".join(module.rsplit("/", 1)[1] for module in _MODULES)))
    init.chmod(0o755)
