"""The same commit gives the same bytes, whenever and wherever it is built."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging import debs
from tests.packaging.machine import ROOT

import build_image  # isort: skip

pytestmark = pytest.mark.timeout(2400)


def test_two_builds_give_the_same_packages(tool, tmp_path: Path) -> None:
    tool("debootstrap", "debootstrap")
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, which a fresh system needs")
    first, second = debs.built("13"), debs.build("13", tmp_path)
    assert set(first) == set(second)
    different = [name for name, path in first.items() if path.read_bytes() != second[name].read_bytes()]
    assert different == []


def test_two_builds_give_the_same_wheel_and_sdist(tmp_path: Path) -> None:
    """Of pure Python here, for speed: what a compiler gives is in the packages above."""
    made = []
    for name, umask in (("first", "022"), ("a second, elsewhere", "077")):
        out = tmp_path / name
        argv = [
            sys.executable,
            str(ROOT / "packaging/build_python.py"),
            "--version",
            "9.8.7",
            "--out",
            str(out),
            "--pure",
        ]
        script = f'umask {umask}; exec "$@"'
        subprocess.run(["sh", "-c", script, "sh", *argv], check=True, capture_output=True, timeout=600)
        made.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    assert list(made[0]) == ["kun_gateway-9.8.7-py3-none-any.whl", "kun_gateway-9.8.7.tar.gz"]
    assert made[0] == made[1]


def test_two_builds_give_the_same_image(tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one small file, for speed, upon a base of another; each in its own storage, from files of another time."""
    tool("buildah", "buildah")
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, which the build needs")
    base, context, made = tmp_path / "base.tar", tmp_path / "context", []
    context.mkdir()
    with tarfile.open(base, "w") as archive:
        archive.add(ROOT / "LICENSE", "LICENSE")
    monkeypatch.setattr(build_image, "archive", lambda *_: base)
    recipe = tmp_path / "Containerfile"
    recipe.write_text("ARG BASE\nFROM ${BASE}\nARG VERSION\nLABEL version=${VERSION}\nCOPY file /file\n")
    for turn in (1, 2):
        (context / "file").write_text("the same")
        os.utime(context / "file", (turn * 10**6, turn * 10**6))
        target = tmp_path / f"{turn}.tar"
        with build_image.storage() as options:
            build_image.build_from(options, str(context), recipe, "localhost/small", "1")
            build_image.export(options, "localhost/small", target)
        made.append(target.read_bytes())
    with build_image.storage() as options:
        argv = ["buildah", *options, "pull", "--quiet", f"docker-archive:{target}"]
        assert subprocess.run(argv, capture_output=True, check=False).returncode == 0, "it can be loaded"
    assert made[0] == made[1]


def test_a_release_carries_its_version_everywhere(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        str(ROOT / "packaging/build_python.py"),
        "--version",
        "9.8.7",
        "--out",
        str(tmp_path),
        "--pure",
    ]
    subprocess.run(argv, check=True, capture_output=True, timeout=600)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    shutil.copy(ROOT / "kun_base/version.py", tmp_path / "before.py")
    program = "import kun_base.version as v; print(v.version(), v.build().kind)"
    told = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path / "site",
        env={"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "9.8.7 wheel\n"
