"""What the image is made of, and what its making tells about itself."""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab import image
from lab.debs import fetch_commands, prepare_directories
from lab.errors import LabError
from lab.mirror import choose_mirror, find_mirror
from lab.progress import Estimate, Silent, clock_text
from lab.recipe import Recipe, read_recipe

RECIPE = Recipe(("jool-dkms", "nsd"), b"lock", b"installer")


def test_the_recipe_has_what_the_install_script_installs_and_the_labs_own_tools() -> None:
    packages = read_recipe().packages
    assert {"jool-dkms", "jool-tools", "gobgpd", "bird2", "linux-headers-cloud-amd64"} <= set(packages)
    assert {"tcpdump", "nsd", "linux-image-cloud-amd64"} <= set(packages)


def test_another_lock_file_is_another_image_on_the_same_tree() -> None:
    other = replace(RECIPE, lock=b"other")
    assert other.tree_key == RECIPE.tree_key
    assert other.image_key != RECIPE.image_key


def test_other_packages_are_another_tree_and_another_image() -> None:
    other = replace(RECIPE, packages=("jool-dkms",))
    assert other.tree_key != RECIPE.tree_key
    assert other.image_key != RECIPE.image_key


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        pytest.param("Debian|main|bookworm|http://m.example/debian/\n", "http://m.example/debian", id="plain"),
        pytest.param("Debian|main|bookworm-security|http://m.example/s/\n", "", id="security-is-not-the-archive"),
        pytest.param("Other|main|bookworm|http://m.example/o/\n", "", id="another-origin"),
        pytest.param("Debian|contrib|bookworm|http://m.example/debian/\n", "", id="another-component"),
        pytest.param("Debian|main|bookworm|file:/srv/debian/\n", "", id="no-network-archive"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_mirror_is_the_debian_archive_of_apts_configuration(listing: str, expected: str) -> None:
    assert choose_mirror(listing) == expected


def test_the_environment_chooses_another_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUN_LAB_MIRROR", "http://mirror.example/debian")
    assert find_mirror() == "http://mirror.example/debian"


def test_apt_of_the_lab_touches_nothing_outside_its_folder(tmp_path: Path) -> None:
    prepare_directories(tmp_path, "http://mirror.example/debian")
    for command in fetch_commands(tmp_path, RECIPE):
        paths = [word.split("=", 1)[1] for word in command if word.startswith("Dir::") and "=/" in word]
        assert paths
        assert all(path.startswith(str(tmp_path)) for path in paths)


def test_a_failed_build_leaves_no_scratch_folder_and_says_what_failed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\nlast words\n")
    with pytest.raises(LabError, match="exit code 3; the end of its output:\nfirst\nlast words"):
        image._check(["mke2fs"], 3, log)
    with suppress(KeyboardInterrupt), image._scratch(tmp_path) as scratch:
        (scratch / "half").write_text("built")
        raise KeyboardInterrupt
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]


@pytest.mark.skipif(os.geteuid() != 0, reason="this machine gives no root, for namespaces of its own")
def test_an_interrupted_build_step_takes_its_processes_and_mounts_along(tmp_path: Path) -> None:
    target = tmp_path / "mnt"
    target.mkdir()
    script = f"mount -t tmpfs tmpfs {target} && echo mounted && exec sleep 4711"
    with suppress(KeyboardInterrupt), image._child(["sh", "-c", script]) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "mounted\n"
        raise KeyboardInterrupt
    assert child.poll() is not None
    assert str(target) not in Path("/proc/mounts").read_text()
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert b"sleep\x004711\x00" not in commands


def test_time_left_shrinks_with_the_steps_that_are_done() -> None:
    estimate = Estimate()
    estimate.expect({"a": 30.0, "b": 10.0})
    estimate.step("a")
    assert estimate.seconds_left(0.0, 0.0) == pytest.approx(40.0)
    estimate.step("b")
    assert estimate.seconds_left(30.0, 0.0) == pytest.approx(10.0)


def test_a_slow_machine_is_expected_to_stay_slow() -> None:
    estimate = Estimate()
    estimate.expect({"a": 30.0, "b": 10.0})
    estimate.step("a")
    estimate.step("b")
    assert estimate.seconds_left(60.0, 0.0) == pytest.approx(20.0)


def test_a_step_that_overruns_never_counts_as_done() -> None:
    estimate = Estimate()
    estimate.expect({"a": 10.0})
    estimate.step("a")
    assert estimate.finished(1000.0) == pytest.approx(9.5)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05")])
def test_clock_text(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_silence_is_a_reporter_too() -> None:
    Silent().step("anything")
