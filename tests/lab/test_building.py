"""What the image is made of, and what its making tells about itself."""

import lzma
import os
import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab import contained, guest, image, initrd
from lab.debian import DEBIANS, Debian, chosen_debian, debian
from lab.debs import fetch_commands, prepare_directories
from lab.errors import DidNotStart, LabError
from lab.mirror import choose_mirror, find_mirror
from lab.paths import REPOSITORY
from lab.progress import Estimate, Silent, clock_text
from lab.recipe import Recipe, read_recipe
from lab.topology import topology
from lab.wheel import platforms, without_extensions

OLD, NEW = debian("12"), debian("13")
RECIPE = Recipe(NEW, ("jool-dkms", "nsd"), b"lock", b"installer")


def test_the_lab_is_built_from_debian_13_unless_the_environment_says_otherwise() -> None:
    assert chosen_debian({}) == chosen_debian({"DEBIAN": ""}) == NEW
    assert chosen_debian({"DEBIAN": "12"}) == OLD


def test_an_unknown_debian_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(LabError, match=r"DEBIAN=11: the lab knows the Debian versions 12, 13, sid \(for example"):
        chosen_debian({"DEBIAN": "11"})


def test_another_debian_is_another_tree_and_another_image_in_another_folder(tmp_path: Path) -> None:
    other = replace(RECIPE, debian=OLD)
    assert other.tree_key != RECIPE.tree_key
    assert other.image_key != RECIPE.image_key
    assert len({image.image_folder(each, tmp_path) for each in DEBIANS}) == len(DEBIANS)


def test_old_images_of_one_debian_go_and_those_of_another_stay(tmp_path: Path) -> None:
    for each in (OLD, NEW):
        for number in range(5):
            path = tmp_path / each.version / f"image-{number}"
            path.mkdir(parents=True)
            os.utime(path, (number, number))
    image._forget_old_images(tmp_path / "13", tmp_path / "13/image-0")
    assert sorted(path.name for path in (tmp_path / "13").iterdir()) == ["image-0", "image-3", "image-4"]
    assert len(list((tmp_path / "12").iterdir())) == 5


def test_what_a_killed_build_of_one_debian_left_is_removed_by_the_next_build_of_it(tmp_path: Path) -> None:
    for version in ("12", "13"):
        (tmp_path / version / "building-killed").mkdir(parents=True)
    with image.scratch_folder(tmp_path / "13") as scratch:
        assert [path.name for path in (tmp_path / "13").iterdir()] == [scratch.name]
    assert (tmp_path / "12/building-killed").is_dir()


def kernel_with(folder: Path, built_in: str, *modules: str) -> Path:
    (folder / "kernel/drivers/virtio").mkdir(parents=True)
    (folder / "kernel/drivers/block").mkdir()
    (folder / "modules.builtin").write_text(built_in)
    for module in modules:
        data = b"module " + module.removesuffix(".xz").encode()
        (folder / "kernel" / module).write_bytes(lzma.compress(data) if module.endswith(".xz") else data)
    return folder


def test_modules_that_the_kernel_has_built_in_are_not_loaded(tmp_path: Path) -> None:
    assert len(initrd.loadable(kernel_with(tmp_path / "6.1", "kernel/fs/ext4/ext4.ko\n"))) == 6
    built_in = "".join(f"kernel/drivers/virtio/{each}.ko\n" for each in ("virtio", "virtio_ring", "virtio_pci"))
    built_in += "kernel/drivers/virtio/virtio_pci_modern_dev.ko\nkernel/drivers/virtio/virtio_pci_legacy_dev.ko\n"
    assert initrd.loadable(kernel_with(tmp_path / "6.12", built_in)) == ("drivers/block/virtio_blk",)


@pytest.mark.parametrize("name", ["drivers/block/virtio_blk.ko", "drivers/block/virtio_blk.ko.xz"])
def test_modules_are_read_plain_and_compressed(tmp_path: Path, name: str) -> None:
    kernel = kernel_with(tmp_path / "kernel-of-a-test", "", name)
    assert initrd.read_module(kernel, "drivers/block/virtio_blk") == b"module drivers/block/virtio_blk.ko"


def test_a_module_that_the_kernel_package_moved_is_named(tmp_path: Path) -> None:
    kernel = kernel_with(tmp_path / "6.99", "")
    with pytest.raises(LabError, match=r"6\.99 has neither virtio_blk\.ko nor virtio_blk\.ko\.xz"):
        initrd.read_module(kernel, "drivers/block/virtio_blk")


def test_wheels_are_asked_for_the_guests_c_library_and_older_ones() -> None:
    assert platforms(OLD)[0] == "manylinux_2_36_x86_64"
    assert platforms(NEW)[0] == "manylinux_2_41_x86_64"
    assert {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64"} <= set(platforms(OLD))


def test_without_compiled_modules_the_rest_of_the_project_file_stays() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    before, after = tomllib.loads(text), tomllib.loads(without_extensions(text))
    assert before["tool"]["setuptools"].pop("ext-modules")
    assert after == before


@pytest.mark.parametrize("each", DEBIANS, ids=lambda each: each.version)
def test_the_recipe_has_what_the_install_script_installs_and_the_labs_own_tools(each: Debian) -> None:
    packages = read_recipe(each).packages
    assert {"jool-dkms", "jool-tools", "gobgpd", "bird2", "linux-headers-cloud-amd64"} <= set(packages)
    assert {"tcpdump", "nsd", "frr", "linux-image-cloud-amd64"} <= set(packages)


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
    prepare_directories(tmp_path, "http://mirror.example/debian", "trixie")
    assert "debian trixie main" in (tmp_path / "etc/sources.list").read_text()
    for command in fetch_commands(tmp_path, RECIPE):
        paths = [word.split("=", 1)[1] for word in command if word.startswith("Dir::") and "=/" in word]
        assert paths
        assert all(path.startswith(str(tmp_path)) for path in paths)


def test_a_failed_build_leaves_no_scratch_folder_and_says_what_failed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\nlast words\n")
    with pytest.raises(LabError, match="exit code 3; the end of its output:\nfirst\nlast words"):
        contained.check(["mke2fs"], 3, log)
    with suppress(KeyboardInterrupt), image.scratch_folder(tmp_path) as scratch:
        (scratch / "half").write_text("built")
        raise KeyboardInterrupt
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]


@pytest.mark.skipif(os.geteuid() != 0, reason="this machine gives no root, for namespaces of its own")
def test_an_interrupted_build_step_takes_its_processes_and_mounts_along(tmp_path: Path) -> None:
    target = tmp_path / "mnt"
    target.mkdir()
    script = f"mount -t tmpfs tmpfs {target} && echo mounted && exec sleep 4711"
    with suppress(KeyboardInterrupt), contained.child(["sh", "-c", script]) as child:
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


@pytest.mark.parametrize(("crashes", "tries"), [(0, 1), (1, 2)])
def test_a_machine_that_does_not_start_is_started_once_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], crashes: int, tries: int
) -> None:
    tried: list[str] = []

    def boot_of(name: str, *_: object) -> str:
        tried.append(name)
        if len(tried) <= crashes:
            raise DidNotStart("kernel panic")
        return "a guest"

    monkeypatch.setattr(guest, "_boot", boot_of)
    assert guest.boot("x", NEW, topology(), False) == "a guest"
    assert len(tried) == tries
    assert ("kernel panic" in capsys.readouterr().err) == bool(crashes)


def test_a_machine_that_never_starts_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def boot_of(*_: object) -> str:
        raise DidNotStart("kernel panic")

    monkeypatch.setattr(guest, "_boot", boot_of)
    with pytest.raises(DidNotStart):
        guest.boot("x", NEW, topology(), False)
