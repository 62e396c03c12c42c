"""What is built from the Debian packages: those for arm64, and RPM packages. Read, not installed."""

import os
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kun_base.version import version
from tests.packaging import debs
from tests.packaging.machine import ROOT

import build_arm64  # isort: skip
import build_rpms  # isort: skip
from deb_tree import Deb  # isort: skip

pytestmark = pytest.mark.timeout(2400)
AARCH64 = 183


@pytest.fixture(scope="module")
def packages(tool) -> dict[str, Path]:
    tool("debootstrap", "debootstrap")
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, which a fresh system needs")
    return debs.built("13")


@pytest.fixture(scope="module")
def for_arm64(packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Path]]]:
    """Two of them, built twice: one that has no compiled module of ours, and the one that has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUN_COMPRESSION", "-Zgzip -z1")
        sources = [packages["kun-controller"], packages["kun-dns64"]]
        folders = [tmp_path_factory.mktemp("arm64"), tmp_path_factory.mktemp("again")]
        built = [build_arm64.build(sources, version(), folder) for folder in folders]
        yield {first.name.partition("_")[0]: [first, second] for first, second in zip(*built, strict=True)}


def files_of(deb: Path) -> dict[str, str]:
    """Mode of every file, by its path."""
    return {path: mode for mode, _, path in debs.content(deb) if not mode.startswith("d")}


def test_arm64_has_the_files_of_amd64_but_for_our_compiled_modules(
    packages: dict[str, Path], for_arm64: dict[str, list[Path]]
) -> None:
    for name, (deb, _) in for_arm64.items():
        wanted = {path.replace("x86_64-linux-gnu.so", "aarch64-linux-gnu.so") for path in files_of(packages[name])}
        assert debs.field(deb, "Architecture") == "arm64"
        assert debs.field(deb, "Depends") == debs.field(packages[name], "Depends")
        left_out = wanted - set(files_of(deb))
        assert all(re.match(rf"/usr/lib/{name}/kun_\w+/.*\.so$", path) for path in left_out), left_out
        assert bool(left_out) is (name == "kun-dns64")
        assert set(files_of(deb)) - wanted == set()


def test_every_library_for_arm64_is_one(for_arm64: dict[str, list[Path]], tmp_path: Path) -> None:
    for name, (deb, _) in for_arm64.items():
        tree = tmp_path / name
        subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(tree)], check=True)
        found = {path.name: path.read_bytes()[:20] for path in (tree / "usr/lib" / name).rglob("*.so*")}
        assert found
        assert {struct.unpack("<H", head[18:20])[0] for head in found.values()} == {AARCH64}, name
        checked = subprocess.run(["md5sum", "--quiet", "--check", "DEBIAN/md5sums"], cwd=tree, check=False)
        assert checked.returncode == 0


def test_an_upgrade_on_arm64_sees_that_the_programs_changed(
    packages: dict[str, Path], for_arm64: dict[str, list[Path]], tmp_path: Path
) -> None:
    """What `parts` says of units is the same; the programs are others."""
    parts = []
    for number, deb in enumerate((packages["kun-controller"], for_arm64["kun-controller"][0])):
        subprocess.run(["dpkg-deb", "--extract", str(deb), str(tmp_path / str(number))], check=True)
        lines = (tmp_path / str(number) / "usr/lib/kun-controller/parts").read_text().splitlines()
        parts.append({name: digest for digest, name in map(str.split, lines)})
    assert {name for name in parts[0] if parts[0][name] != parts[1][name]} == {"programs"}
    assert list(parts[0]) == list(parts[1])


def test_two_builds_for_arm64_give_the_same_bytes(for_arm64: dict[str, list[Path]]) -> None:
    assert [name for name, (one, other) in for_arm64.items() if one.read_bytes() != other.read_bytes()] == []


@pytest.fixture(scope="module")
def rpms(packages: dict[str, Path], tool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """One without libraries, built twice, and the one with most files."""
    tool("rpmbuild", "rpm")
    first, again = tmp_path_factory.mktemp("rpm"), tmp_path_factory.mktemp("again")
    built = {name: [build_rpms.build(packages[name], first)] for name in ("kun-6to4", "kun-nat64")}
    built["kun-6to4"].append(build_rpms.build(packages["kun-6to4"], again))
    return built


def query(rpm: Path, *options: str) -> list[str]:
    argv = ["rpm", "--query", "--package", *options, str(rpm)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


def test_an_rpm_has_the_files_and_modes_of_the_deb(packages: dict[str, Path], rpms: dict[str, list[Path]]) -> None:
    for name, (rpm, *_) in rpms.items():
        rows = [line.split() for line in query(rpm, "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\\n]")]
        assert {path: mode for mode, path in rows if not mode.startswith("d")} == files_of(packages[name])
        owners = set(query(rpm, "--queryformat", "[%{FILEUSERNAME}:%{FILEGROUPNAME}\\n]"))
        assert owners == {"root:root"}


def test_an_rpm_keeps_the_configuration_that_dpkg_keeps(packages: dict[str, Path], rpms: dict[str, list[Path]]) -> None:
    for name, (rpm, *_) in rpms.items():
        argv = ["dpkg-deb", "--info", str(packages[name]), "conffiles"]
        told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
        assert query(rpm, "--configfiles") == sorted(told)


def test_an_rpm_starts_nothing_and_asks_for_the_python_of_its_libraries(rpms: dict[str, list[Path]]) -> None:
    for name, (rpm, *_) in rpms.items():
        script = "\n".join(query(rpm, "--scripts"))
        assert not re.search(r"^\s*systemctl.* (start|restart|enable|try-restart)\b", script, re.MULTILINE)
        assert "nothing was started. Edit /etc/kun/" in script
        asked = query(rpm, "--requires")
        assert ("/usr/bin/python3.13" in asked) is (name != "kun-6to4")
        assert not {"jool-tools", "iproute2", "procps"} & set(asked)


def test_units_of_debian_12_move_to_usr_in_an_rpm(tmp_path: Path) -> None:
    unit = tmp_path / "lib/systemd/system/kun-nat64.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Unit]\n")
    deb = Deb("kun-nat64", "0.2.0-1", "12", "amd64", tmp_path)
    build_rpms.usual_places(deb)
    assert [str(path) for path in deb.files() if (tmp_path / path).is_file()] == [
        "usr/lib/systemd/system/kun-nat64.service"
    ]


def test_two_builds_of_an_rpm_give_the_same_bytes(rpms: dict[str, list[Path]]) -> None:
    one, other = rpms["kun-6to4"]
    assert one.read_bytes() == other.read_bytes()


def test_the_release_makes_all_of_them() -> None:
    text = (ROOT / "packaging/release.py").read_text()
    assert "build_arm64.build(" in text
    assert "build_rpms.build(" in text
