"""The image of kun-controller: built without a registry, then run as nobody in particular."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kun_base.version import version
from tests.packaging.machine import ROOT

import build_controller_image  # isort: skip
import build_image  # isort: skip

pytestmark = pytest.mark.timeout(1800)
USER = "65532"
POOL = """\
apiVersion: egress.networking.kun/v1alpha1
kind: EgressPool
metadata: { name: standard }
spec: { vip: 203.0.113.1, default: true }
"""


@pytest.fixture(scope="module")
def image(tool) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The image's files in a folder, and its settings."""
    for name, package in (("buildah", "buildah"), ("debootstrap", "debootstrap")):
        tool(name, package)
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, which the build needs")
    name = build_controller_image.NAME
    with build_image.storage() as options:
        build_controller_image.build(options, name)
        call = ["buildah", *options]
        told = subprocess.run([*call, "inspect", "--type", "image", name], capture_output=True, check=True)
        container = subprocess.run(
            [*call, "from", "--pull-never", name], capture_output=True, text=True, check=True
        ).stdout.strip()
        files = subprocess.run([*call, "mount", container], capture_output=True, text=True, check=True).stdout.strip()
        yield Path(files), json.loads(told.stdout)["Docker"]["config"]
        subprocess.run([*call, "umount", "--all"], check=False, capture_output=True)


def inside(files: Path, *argv: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the image as its user."""
    command = ["chroot", f"--userspec={USER}:{USER}", str(files), *argv]
    environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": "/"}
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_it_runs_as_nobody_in_particular_and_says_what_it_is(image: tuple[Path, dict[str, Any]]) -> None:
    files, settings = image
    assert settings["User"] == f"{USER}:{USER}"
    assert settings["StopSignal"] == "SIGTERM"
    said = inside(files, "kun-controller", "--version")
    assert said.returncode == 0, said.stderr
    assert version() in said.stdout


def test_it_compiles_objects_with_the_libraries_of_the_lock(image: tuple[Path, dict[str, Any]]) -> None:
    done = inside(image[0], "kun-controller", "compile", "--json", "-", text=POOL)
    assert done.returncode == 0, done.stderr
    assert "2002:cb00:7101::/96" in done.stdout


def test_it_takes_the_charts_command_line(image: tuple[Path, dict[str, Any]]) -> None:
    text = (ROOT / "gateway-config/helm/kun/templates/controller.yaml").read_text()
    lines = text.split("args:\n", 1)[1].split("env:", 1)[0].splitlines()
    arguments = [line.strip().removeprefix("- ") for line in lines if line.strip().startswith("- ")]
    assert arguments[:2] == ["kun-controller", "run"]
    # All are parsed before help is shown, so a flag that it does not know is an error.
    done = inside(image[0], *arguments, "--help")
    assert done.returncode == 0, done.stderr
    refused = inside(image[0], *arguments, "--no-such-flag", "--help")
    assert refused.returncode == 2


def test_its_own_files_cannot_be_written_by_its_user(image: tuple[Path, dict[str, Any]]) -> None:
    done = inside(image[0], "sh", "-c", "touch /usr/lib/kun-controller/x /usr/bin/x")
    assert done.returncode != 0


def test_the_chart_names_an_image_that_can_be_built() -> None:
    values = yaml.safe_load((ROOT / "gateway-config/helm/kun/values.yaml").read_text())
    recipe = (ROOT / "gateway-config/kubernetes/Containerfile.controller").read_text()
    assert values["controller"]["image"] in recipe
