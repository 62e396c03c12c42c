"""What compiles for the guest on this machine: the guest's C headers and libraries, and the guest's own Python.

The two may differ from this machine's in version, so neither this machine's headers nor its Python would do. The files
lie beside the disk image, a tenth of its size. Nothing here needs root, and nothing is installed on this machine.
"""

import os
import shutil
import subprocess
from pathlib import Path

from lab.debian import Debian
from lab.errors import LabError

TRIPLET = "x86_64-linux-gnu"
_LIBRARIES = f"usr/lib/{TRIPLET}"
# The linker's inputs for a shared library, and what the interpreter itself is linked with.
_PATTERNS = ("crt?.o", "libc.so*", "libc_nonshared.a", "libm.so*", "libm-*.a", "libm.a", "libmvec*", "ld-linux-*")
_OF_PYTHON = ("libz.so.1*", "libexpat.so.1*")
# Large parts of Python's library that no compilation reads.
_LEFT_OUT = (
    "__pycache__",
    "config-*",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "lib-dynload",
    "pydoc_data",
    "test",
    "tkinter",
)


def copy(tree: Path, debian: Debian, sysroot: Path) -> None:
    """Copy out of a Debian tree what `compile_c` and `compile_python` need."""
    libraries = sysroot / _LIBRARIES
    libraries.mkdir(parents=True)
    for pattern in (*_PATTERNS, *_OF_PYTHON):
        for path in (tree / _LIBRARIES).glob(pattern):
            shutil.copy(path, libraries)
    (sysroot / "usr/bin").mkdir()
    shutil.copy(tree / "usr/bin" / debian.python_command, sysroot / "usr/bin")
    shutil.copytree(tree / "usr/include", sysroot / "usr/include", ignore_dangling_symlinks=True)
    # On Debian 13 the kernel's headers lie elsewhere; asm is a link there, or an empty folder.
    kernel = tree / "usr/lib/linux/uapi/x86/asm"
    if kernel.is_dir():
        shutil.copytree(kernel, sysroot / "usr/include" / TRIPLET / "asm", dirs_exist_ok=True)
    python, left_out = f"usr/lib/{debian.python_command}", shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(tree / python, sysroot / python, symlinks=True, ignore_dangling_symlinks=True, ignore=left_out)
    for name, target in (("lib", "usr/lib"), ("usr/lib64", f"lib/{TRIPLET}"), ("lib64", "usr/lib64")):
        (sysroot / name).symlink_to(target)


def compile_c(sysroot: Path, debian: Debian, source: Path, target: Path) -> None:
    """Compile a C file into an extension module of the guest's Python. Raises LabError with the compiler's words."""
    # Half the time of the usual flags: nobody measures in the lab.
    argv = ["gcc", f"--sysroot={sysroot}", "-shared", "-fPIC", "-O1", "-g0", "-w"]
    argv += [f"-I{sysroot}/usr/include/{debian.python_command}", str(source), "-o", str(target)]
    _run(argv)


def compile_python(sysroot: Path, debian: Debian, folder: Path, seen_as: str) -> None:
    """Compile every Python file below the folder, which the guest will see under another path. Raises LabError."""
    argv = [f"{sysroot}/{_LIBRARIES}/ld-linux-x86-64.so.2", "--library-path", f"{sysroot}/{_LIBRARIES}"]
    argv += [f"{sysroot}/usr/bin/{debian.python_command}", "-S", "-m", "compileall", "-q"]
    _run(
        [*argv, "-s", str(folder), "-p", seen_as, str(folder)], PYTHONHOME=f"{sysroot}/usr", PYTHONDONTWRITEBYTECODE="1"
    )


def _run(argv: list[str], **environment: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | environment)
    except FileNotFoundError as error:
        raise LabError(f"{error.filename} is missing: python3 lab/host_setup.py lab") from None
    if done.returncode != 0:
        raise LabError(f"compiling for the guest failed: {' '.join(argv)}\n{(done.stdout + done.stderr)[-3000:]}")
