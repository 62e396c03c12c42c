"""One lab for the whole test run; it boots when the first test asks for it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.api import Lab
from lab.debian import chosen_debian
from lab.errors import LabError
from lab.image import find_image
from lab.qemu import PROGRAM

LOGS = Path(__file__).parent.parent.parent / "out" / "lab-logs"
BOOT_LIMIT_S = 1500
"""The first boot on a machine may build the image."""


def missing_part() -> str:
    """Why there can be no lab here, and what mends it; "" if nothing is missing."""
    for program, package in ((PROGRAM, "qemu-system-x86"), ("mke2fs", "e2fsprogs")):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            return f"needs {program}: apt-get install {package} (or: python3 lab/host_setup.py)"
    built = find_image(chosen_debian()) is not None
    if not built and os.geteuid() != 0 and not shutil.which("sudo"):
        return "the guest image is not built, and building it needs root or sudo: run `python -m lab build` as root"
    if not built and not shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
        return "needs debootstrap to build the guest image: apt-get install debootstrap (or: python3 lab/host_setup.py)"
    return ""


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A running lab with every gateway announced. `KUN_LAB_NAME` uses one that is up already, and leaves it up."""
    name = os.environ.get("KUN_LAB_NAME")
    if name:
        attached = Lab.attach(name)
        attached.wait_until_ready()
        yield attached
        return
    missing = missing_part()
    if missing:
        pytest.skip(missing)
    started = Lab.start(f"test-{os.getpid()}")
    try:
        started.wait_until_ready(300)
        yield started
    except LabError:
        started.collect_logs(LOGS)
        raise
    finally:
        if request.session.testsfailed:
            started.collect_logs(LOGS)
        started.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever waits for the lab waits for its boot: the limit per test is for what comes after it."""
    for item in items:
        if {"lab", "native_lab"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.timeout(BOOT_LIMIT_S))
