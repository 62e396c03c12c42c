"""install.sh into folders of its own: what it writes, what it leaves alone, what it refuses."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from kun_base.version import version

ROOT = Path(__file__).parent.parent.parent
INSTALL = ROOT / "gateway-config" / "install.sh"
pytestmark = pytest.mark.timeout(900)  # a virtual environment and its downloads
EVERY_ROLE = "gateway,dns,node,tor"
GATEWAY_FILES = {
    "etc/kun/kun-nat64.toml",
    "etc/kun/gobgpd.conf",
    "etc/sysctl.d/60-kun-nat64.conf",
    "etc/modules-load.d/kun-nat64.conf",
    "etc/kernel/postinst.d/zz-kun-nat64",
    "etc/systemd/system/kun-nat64.service",
    "etc/systemd/system/kun-nat64-lapse.service",
    "etc/systemd/system/kun-nat64-lapse.timer",
    "etc/systemd/system/kun-nat64-netns.path",
    "etc/systemd/system/kun-nat64-netns.service",
    "etc/systemd/system/kun-gobgpd.service",
    "bin/kun-nat64-unit",
}
DNS_FILES = {
    "etc/kun/kun-dns64.toml",
    "etc/sysctl.d/60-kun-dns64.conf",
    "etc/systemd/system/kun-dns64.service",
    "etc/systemd/system/kun-dns64.socket",
}
NODE_FILES = {"etc/kun/kun-6to4.conf", "etc/systemd/system/kun-6to4.service", "bin/kun-6to4"}
TOR_FILES = {"etc/bird/kun-tor.conf", "etc/sysctl.d/60-kun-tor.conf"}


@dataclass
class Machine:
    """A folder that takes the place of /opt/kun, /etc and /usr/local/bin."""

    root: Path

    def install(self, *arguments: str, role: str = "tor") -> subprocess.CompletedProcess[str]:
        places = ("--prefix", self.root / "opt/kun", "--etc", self.root / "etc", "--bin", self.root / "bin")
        argv = [INSTALL, "--role", role, "--no-packages", *places, *arguments]
        return subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=600, check=False)

    def files(self) -> set[str]:
        kept = (path for path in self.root.rglob("*") if path.is_file() and "opt/kun" not in str(path))
        return {str(path.relative_to(self.root)) for path in kept if not path.is_symlink()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Machine:
    """Every role, with the wheel of this tree and the locked dependencies."""
    made = Machine(tmp_path_factory.mktemp("machine"))
    done = made.install("--wheel", str(wheel), role=EVERY_ROLE)
    if "could not be installed" in done.stderr:
        pytest.skip("this machine reaches no package index, for the locked dependencies")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_each_role_brings_its_files(installed: Machine) -> None:
    assert installed.files() == GATEWAY_FILES | DNS_FILES | NODE_FILES | TOR_FILES


@pytest.mark.parametrize("program", ["kun-dns64", "kun-nat64"])
def test_the_commands_run_with_the_wheel_and_the_lock_alone(installed: Machine, program: str) -> None:
    # From another folder and without this environment's variables: nothing of the source tree is in reach.
    argv = [installed.root / "bin" / program, "--version"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=installed.root, env={})
    assert done.returncode == 0, done.stderr
    assert version() in done.stdout


def test_no_dependency_is_missing_or_too_old(installed: Machine) -> None:
    argv = [installed.root / "opt/kun/current/bin/pip", "check"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_a_second_run_changes_nothing(installed: Machine, wheel: Path) -> None:
    before = {path: (installed.root / path).stat().st_mtime_ns for path in installed.files()}
    current = os.readlink(installed.root / "opt/kun/current")
    done = installed.install("--wheel", str(wheel), role=EVERY_ROLE)
    assert done.returncode == 0, done.stderr
    assert "file:" not in done.stdout
    assert os.readlink(installed.root / "opt/kun/current") == current
    assert {path: (installed.root / path).stat().st_mtime_ns for path in installed.files()} == before


def test_an_edited_file_stays_and_the_new_one_lies_beside_it(machine: Machine) -> None:
    machine.install()
    edited = machine.root / "etc/bird/kun-tor.conf"
    edited.write_text("# mine\n")
    done = machine.install()
    assert "is yours" in done.stdout
    assert edited.read_text() == "# mine\n"
    shipped = ROOT / "gateway-config/bird/kun-tor.conf"
    assert edited.with_name("kun-tor.conf.kun-new").read_bytes() == shipped.read_bytes()


def test_a_file_that_was_there_before_us_stays(machine: Machine) -> None:
    own = machine.root / "etc/sysctl.d/60-kun-tor.conf"
    own.parent.mkdir(parents=True)
    own.write_text("net.ipv4.ip_forward = 0\n")
    machine.install()
    assert own.read_text() == "net.ipv4.ip_forward = 0\n"


def test_a_file_nobody_edited_is_brought_up_to_date(machine: Machine, tmp_path: Path) -> None:
    copy = tmp_path / "source/gateway-config"
    shutil.copytree(INSTALL.parent, copy)
    shutil.copytree(ROOT / "packaging", copy.parent / "packaging")
    machine.install()
    newer = copy / "bird/kun-tor.conf"
    newer.write_text(newer.read_text() + "# next release\n")
    done = subprocess.run(
        [copy / "install.sh", "--role", "tor", "--no-packages", "--prefix", machine.root / "opt/kun"]
        + ["--etc", machine.root / "etc", "--bin", machine.root / "bin"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (machine.root / "etc/bird/kun-tor.conf").read_bytes() == newer.read_bytes()


def test_a_dry_run_writes_nothing(machine: Machine) -> None:
    done = machine.install("--dry-run", role=EVERY_ROLE)
    assert done.returncode == 0, done.stderr
    assert "would run: install -D" in done.stdout
    assert list(machine.root.iterdir()) == []


def test_an_installation_that_fails_leaves_the_former_programs(installed: Machine, wheel: Path, tmp_path: Path) -> None:
    current = os.readlink(installed.root / "opt/kun/current")
    bad_lock = tmp_path / "bad.lock"
    bad_lock.write_text(f"aiohttp==3.14.5 --hash=sha256:{'0' * 64}\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = installed.install("--lock", str(bad_lock), "--wheelhouse", str(empty), "--wheel", str(wheel), role="dns")
    assert done.returncode == 1
    assert "could not be installed" in done.stderr
    assert os.readlink(installed.root / "opt/kun/current") == current


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "--role is missing"),
        (["--role", "router"], 2, "unknown role: router"),
        (["--role", "dns", "--colour"], 2, "unknown argument: --colour"),
        (["--role", "dns", "--wheel"], 2, "--wheel needs a value"),
        (["--role", "dns", "--prefix", "opt"], 2, "an absolute path is needed"),
        (["--role", "dns", "--packages-only", "--no-packages"], 2, "leave nothing to do"),
        (["--role", "dns", "--wheel", "/nowhere.whl"], 1, "/nowhere.whl: no such file"),
        (["--role", "dns", "--wheelhouse", "/nowhere"], 1, "/nowhere: no such folder"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_wrong_use_is_told(arguments: list[str], code: int, words: str) -> None:
    done = subprocess.run([INSTALL, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code
    assert words in done.stderr


def test_somebody_without_root_is_told_so(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        done = subprocess.run([INSTALL, "--role", "tor"], capture_output=True, text=True, timeout=30, check=False)
    else:
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        script = tmp_path / "gateway-config/install.sh"
        script.parent.mkdir()
        shutil.copy(INSTALL, script)
        shutil.copytree(ROOT / "packaging", tmp_path / "packaging")
        for folder in (script.parent, tmp_path / "packaging", tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        argv = [*nobody, script, "--role", "tor"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, cwd="/")
    assert done.returncode == 1
    assert "root is needed" in done.stderr


def test_packages_of_a_gateway_bring_the_translator_and_its_headers(tool) -> None:
    tool("dpkg-query", "dpkg")
    argv = [INSTALL, "--role", "gateway", "--headers", "linux-headers-cloud-amd64", "--print-packages"]
    printed = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout.split()
    assert {"jool-dkms", "jool-tools", "gobgpd", "iptables", "python3-venv", "linux-headers-cloud-amd64"} <= set(
        printed
    )


def dry_run(tree: Path, *arguments: str) -> str:
    """What install.sh of this tree would do on a machine where no package is installed yet."""
    programs = tree / "programs"
    programs.mkdir()
    (programs / "dpkg-query").write_text("#!/bin/sh\nexit 1\n")
    (programs / "dpkg-query").chmod(0o755)
    argv = [str(tree / "gateway-config/install.sh"), *arguments, "--dry-run", "--prefix", str(tree / "opt")]
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environment)
    if "packages are known for Debian" in done.stderr:
        pytest.skip("this machine is no Debian")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def bare_tree(tmp_path: Path) -> Path:
    """What a build needs, and nothing else: no wheel is there."""
    tree = tmp_path / "src"
    tree.mkdir()
    for name in ("gateway-config", "packaging", *(path.name for path in ROOT.glob("kun_*") if path.is_dir())):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.lock"):
        shutil.copy(ROOT / name, tree)
    return tree


def test_a_wheel_is_built_with_a_compiler(bare_tree: Path) -> None:
    would = dry_run(bare_tree, "--role", "dns")
    packages, built = would.find("gcc libc6-dev python3-dev\n"), would.find("would build the wheel")
    assert 0 < packages < built


def test_a_wheel_that_is_given_needs_no_compiler(bare_tree: Path, tmp_path: Path) -> None:
    given = tmp_path / "kun_gateway-0-py3-none-any.whl"
    given.touch()
    assert "gcc" not in dry_run(bare_tree, "--role", "dns", "--wheel", str(given))


def test_umask_077_hides_nothing_from_the_programs_and_shows_no_secret(machine: Machine) -> None:
    """Services run as users without rights; passwords are nobody else's business."""
    argv = [str(INSTALL), "--role", EVERY_ROLE.replace("gateway,dns,", ""), "--no-packages"]
    argv += [
        "--prefix",
        str(machine.root / "opt/kun"),
        "--etc",
        str(machine.root / "etc"),
        "--bin",
        str(machine.root / "bin"),
    ]
    subprocess.run(["sh", "-c", 'umask 077; exec "$@"', "sh", *argv], check=True, capture_output=True, timeout=120)
    for path in machine.root.rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode & 0o044 == 0o044, f"{path} is {mode:o}"
        assert not path.is_dir() or mode == 0o755


def test_modes_are_those_of_the_list(installed: Machine) -> None:
    modes = {path: (installed.root / path).stat().st_mode & 0o777 for path in installed.files()}
    secret = {path for path, mode in modes.items() if not mode & 0o004}
    assert secret == {"etc/kun/kun-nat64.toml", "etc/kun/gobgpd.conf"}
    assert all(modes[path] == 0o640 for path in secret)


def test_programs_of_pure_python_are_told(installed: Machine, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here by the environment; on a machine by a wheel that was built without a compiler."""
    monkeypatch.setenv("KUN_PURE_PYTHON", "1")
    done = installed.install("--wheel", str(wheel), role="dns")
    assert "kun-dns64 is pure Python" in done.stdout
    assert "gcc libc6-dev python3-dev" in done.stdout


def test_debian_knows_every_package(tool, run) -> None:
    argv = [INSTALL, "--role", EVERY_ROLE, "--headers", "linux-headers-amd64", "--print-packages"]
    printed = run(*argv).stdout.split()
    if sys.platform != "linux" or "ID=debian" not in Path("/etc/os-release").read_text():
        pytest.skip("this machine is no Debian that could be asked for its packages")
    known = run(tool("apt-cache", "apt"), "show", "--no-all-versions", *printed, timeout_s=120)
    assert known.returncode == 0, known.stderr
