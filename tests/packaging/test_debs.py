"""The Debian packages, built and then installed, upgraded and removed on fresh systems under a real systemd."""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from kun_base.version import version
from tests.packaging.debs import NAMES, built, content, edit, field, reissue
from tests.packaging.machine import PACKAGES, SUITES, Machine, booted, run_inside, unpacked

pytestmark = pytest.mark.timeout(2400)  # the systems are made once, over the network
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: here
contexts: [{ name: here, context: { cluster: here, user: here } }]
clusters: [{ name: here, cluster: { server: "http://127.0.0.1:1" } }]
users: [{ name: here, user: { token: secret } }]
"""
MODULES = {"kun-controller": "kun_cluster", "kun-dns64": "kun_dns64", "kun-nat64": "kun_nat64"}
SERVICES = ("kun-controller.service", "kun-dns64.service", "kun-nat64.service")
DNS_CONFIG, GATEWAY_CONFIG = "etc/kun/kun-dns64.toml", "etc/kun/kun-nat64.toml"
# What dpkg (with a backup each midnight), systemd and Python themselves write.
NOT_OURS = re.compile(
    r"^/(dev|proc|run|sys|tmp|root|packages)(/|$)|__pycache__"
    r"|^/var/(lib/(dpkg|apt|systemd|private|dbus)|backups|log|cache|tmp)(/|$)"
    r"|^/etc/(machine-id|ld\.so\.cache|\.updated|\.pwd\.lock)|^/var/\.updated|^/usr/lib/(udev|sysimage)"
)


IMPORT_ALL = """
import sys, pkgutil, importlib
sys.path.insert(0, '/usr/lib/{program}')
package = importlib.import_module('{package}')
for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):
    if not module.name.endswith('.__main__'):
        importlib.import_module(module.name)
"""


@pytest.fixture(scope="module", params=sorted(SUITES), ids=lambda release: f"debian-{release}")
def release(request: pytest.FixtureRequest, tool) -> str:
    for name, package in (("debootstrap", "debootstrap"), ("dpkg-deb", "dpkg"), ("nsenter", "util-linux")):
        tool(name, package)
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, which a fresh system needs")
    return str(request.param)


@pytest.fixture(scope="module")
def packages(release: str) -> dict[str, Path]:
    return built(release)


@pytest.fixture
def machine(release: str, tmp_path: Path) -> Iterator[Machine]:
    with booted(SUITES[release], tmp_path) as running:
        # Debian's own speaker runs from its installation on, with an empty configuration.
        (running.tree / "packages").mkdir()
        yield running


def install(machine: Machine, *debs: Path, **environment: str) -> str:
    for deb in debs:
        shutil.copy(deb, machine.tree / "packages" / deb.name)
    files = [f"/packages/{deb.name}" for deb in debs]
    return machine.do("dpkg", "--force-confold", "--install", *files, environment=environment)


def configure(machine: Machine) -> None:
    """What an operator does: addresses into the files, then all services and the gateway's own speaker."""
    kubeconfig = machine.tree / "etc/kun/controller/kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    kubeconfig.chmod(0o600)
    for name in (DNS_CONFIG, GATEWAY_CONFIG):
        path = machine.tree / name
        path.write_text(path.read_text() + "\n# edited\n")
    speaker = machine.tree / "etc/kun/gobgpd.conf"
    speaker.write_text(speaker.read_text() + "\n# edited\n")
    machine.do("systemctl", "disable", "--now", "gobgpd.service")
    machine.do("systemctl", "enable", "--now", "kun-gobgpd.service", *SERVICES)
    for unit in ("kun-gobgpd.service", *SERVICES):
        machine.wait_for(unit)


def files_of(machine: Machine) -> dict[str, str]:
    """Mode and kind, and for configuration the content, of every file that is not the system's own bookkeeping."""
    found = {}
    for path in machine.tree.rglob("*"):
        name = f"/{path.relative_to(machine.tree)}"
        if NOT_OURS.search(name):
            continue
        told = path.lstat()
        text = path.read_text(errors="replace") if name.startswith("/etc/") and stat.S_ISREG(told.st_mode) else ""
        target = os.readlink(path) if path.is_symlink() else ""
        found[name] = f"{stat.filemode(told.st_mode)} {told.st_uid}:{told.st_gid} {target}{text}"
    return found


class TestContent:
    def test_every_program_has_its_package(self, packages: dict[str, Path]) -> None:
        assert tuple(packages) == NAMES

    def test_versions_order_as_releases_do(self, release: str, packages: dict[str, Path]) -> None:
        told = field(packages["kun-dns64"], "Version")
        assert told.replace("~dev", ".dev").startswith(f"{version()}-1~deb{release}")
        order = [told, "9.0.0~dev1-1~deb12", "9.0.0-1~deb12", "9.0.0-1~deb13", "9.0.1-1~deb12"]
        for lower, higher in pairwise(order):
            assert subprocess.run(["dpkg", "--compare-versions", lower, "lt", higher], check=False).returncode == 0

    def test_nothing_lies_where_others_put_theirs(self, packages: dict[str, Path]) -> None:
        """GoBGP, BIRD, Unbound and the operator keep every file of theirs."""
        for deb in packages.values():
            files = [path for mode, _, path in content(deb) if not mode.startswith("d")]
            ours = re.compile(r"/(60-|zz-)?_?kun-(dns64|nat64|6to4|gobgpd|controller)|^/etc/kun/")
            assert [path for path in files if not ours.search(path)] == []
            assert not [path for path in files if path.startswith(("/usr/local", "/opt", "/var"))]

    def test_files_that_may_hold_secrets_are_not_for_everybody(self, packages: dict[str, Path]) -> None:
        modes = {
            path: mode for deb in packages.values() for mode, _, path in content(deb) if path.startswith("/etc/kun/k")
        }
        modes |= {path: mode for mode, _, path in content(packages["kun-nat64"]) if path.endswith("gobgpd.conf")}
        assert modes["/etc/kun/kun-nat64.toml"] == modes["/etc/kun/gobgpd.conf"] == "-rw-r-----"
        folder = {path: mode for mode, _, path in content(packages["kun-controller"]) if "/etc/kun/controller" in path}
        assert folder == {"/etc/kun/controller/": "drwx------"}
        # A user without rights reads it.
        assert modes["/etc/kun/kun-dns64.toml"] == "-rw-r--r--"

    def test_everything_is_roots_and_nothing_is_writable_by_others(self, packages: dict[str, Path]) -> None:
        for deb in packages.values():
            rows = content(deb)
            assert {owner for _, owner, _ in rows} == {"root/root"}
            assert [path for mode, _, path in rows if mode[0] != "l" and (mode[5] == "w" or mode[8] == "w")] == []

    def test_lintian_finds_no_error(self, packages: dict[str, Path], tool, run) -> None:
        argv = [tool("lintian", "lintian"), "--fail-on", "error", "--allow-root", *packages.values()]
        judged = run(*argv, timeout_s=600)
        assert judged.returncode == 0, judged.stdout


def test_a_package_from_first_installation_to_purge(
    machine: Machine, packages: dict[str, Path], tmp_path: Path
) -> None:
    before, settings = files_of(machine), machine.do("sysctl", "--all", "--ignore")
    foreign = machine.main_pid("gobgpd.service")
    said = install(machine, *packages.values())

    # Nothing runs, nothing is to run at the next boot, no setting of the kernel has changed, no speaker was touched.
    units = machine.do("systemctl", "list-unit-files", "--no-legend", "kun-*")
    assert {line.split()[1] for line in units.splitlines()} <= {"disabled", "static"}
    assert machine.do("systemctl", "list-units", "--no-legend", "--state=active", "kun-*") == ""
    stable = re.compile(r"^(net|vm\.overcommit)\.", re.MULTILINE)
    now = machine.do("sysctl", "--all", "--ignore")
    assert [line for line in now.splitlines() if stable.match(line)] == [
        line for line in settings.splitlines() if stable.match(line)
    ]
    assert machine.main_pid("gobgpd.service") == foreign
    for name in NAMES:
        assert f"{name}: nothing was started. Edit /etc/kun/" in said
    installed = files_of(machine)
    assert {name for name, told in before.items() if installed.get(name) != told} == set()

    # A service that nobody has configured says so, and does not try again.
    assert machine.run("systemctl", "start", "kun-controller.service").returncode != 0
    assert machine.state("kun-controller.service") == "failed"
    assert "must be a kubeconfig" in machine.do("journalctl", "--no-pager", "-u", "kun-controller.service")

    # Configured, then installed again: no process notices.
    configure(machine)
    assert "eb" in machine.do("kun-dns64", "--version")
    watched = (*SERVICES[1:], "kun-gobgpd.service", SERVICES[0])
    assert "= 1" in machine.do("sysctl", "net.ipv4.ip_forward"), "put in force where the gateway runs"
    pids = {unit: machine.main_pid(unit) for unit in watched}
    assert all(pids.values())
    # Byte compiling takes most of the time here, and the controller's scripts are those of the others.
    again = [deb for name, deb in packages.items() if name != "kun-controller"]
    install(machine, *again)
    assert {unit: machine.main_pid(unit) for unit in watched} == pids

    # A later issue of one package restarts that program alone.
    library = "usr/lib/kun-dns64/kun_dns64/__init__.py"
    later = reissue(packages["kun-dns64"], "9.0.0", tmp_path, lambda tree: append(tree / library))
    install(machine, later)
    assert machine.main_pid("kun-dns64.service") != pids["kun-dns64.service"]
    assert machine.state("kun-dns64.service") == "active"
    assert {unit: machine.main_pid(unit) for unit in watched[1:]} == {unit: pids[unit] for unit in watched[1:]}
    pids["kun-dns64.service"] = machine.main_pid("kun-dns64.service")

    # A later issue that only documents more restarts nothing, and what the operator wrote stays.
    install(machine, reissue(packages["kun-nat64"], "9.0.0", tmp_path, lambda tree: append(tree / GATEWAY_CONFIG)))
    assert {unit: machine.main_pid(unit) for unit in watched} == pids
    assert "# edited" in (machine.tree / GATEWAY_CONFIG).read_text()

    # Agent and speaker's unit have changed: the agent restarts, the speaker never by itself.
    both = [edit("usr/lib/systemd/system/kun-gobgpd.service", "TimeoutStopSec=5", "TimeoutStopSec=6")]
    both.append(lambda tree: append(tree / "usr/lib/kun-nat64/kun_nat64/__init__.py"))
    said = install(machine, reissue(packages["kun-nat64"], "9.0.1", tmp_path, lambda tree: [one(tree) for one in both]))
    assert "kun-gobgpd.service has changed and was left alone" in said
    assert machine.main_pid("kun-gobgpd.service") == pids["kun-gobgpd.service"]
    assert machine.main_pid("kun-nat64.service") != pids["kun-nat64.service"]
    machine.wait_for("kun-nat64.service")

    # Down to the first issue again.
    install(machine, *again)
    assert field(packages["kun-nat64"], "Version") in machine.do("dpkg-query", "--show", "kun-nat64")
    for unit in watched:
        machine.wait_for(unit)
    assert machine.main_pid("kun-gobgpd.service") == pids["kun-gobgpd.service"]

    # An issue that refuses the file leaves the former one running.
    (machine.tree / DNS_CONFIG).write_text("[server]\nlisten = 7\n")
    pid = machine.main_pid("kun-dns64.service")
    assert "goes on with the former version" in install(machine, later)
    assert machine.main_pid("kun-dns64.service") == pid

    machine.do("dpkg", "--remove", *NAMES)
    assert (machine.tree / GATEWAY_CONFIG).exists()
    assert machine.do("systemctl", "list-units", "--no-legend", "--state=active", "kun-*") == ""
    machine.do("dpkg", "--purge", *NAMES)
    machine.do("systemctl", "enable", "gobgpd.service")
    # A purge removes no file that it did not bring.
    assert (machine.tree / "etc/kun/controller/kubeconfig").read_text() == KUBECONFIG
    shutil.rmtree(machine.tree / "etc/kun")
    after = files_of(machine)
    assert {name: told for name, told in after.items() if before.get(name) != told} == {}
    assert set(before) - set(after) == set()
    assert not list((machine.tree / "var/lib").glob("kun-*"))


def append(path: Path) -> None:
    path.write_text(path.read_text() + "\n# another issue\n")


def test_a_speaker_that_somebody_set_up_goes_on(machine: Machine, packages: dict[str, Path]) -> None:
    """It speaks with somebody, is enabled, and its file and process are the same after installation and purge."""
    own = machine.tree / "etc/gobgpd.conf"
    own.write_text('[global.config]\n  as = 64512\n  router-id = "192.0.2.1"\n  port = -1\n')
    machine.do("systemctl", "restart", "gobgpd.service")
    machine.wait_for("gobgpd.service")
    pid, text = machine.main_pid("gobgpd.service"), own.read_text()
    install(machine, packages["kun-nat64"])
    machine.do("systemctl", "enable", "--now", "kun-nat64.service")
    machine.wait_for("kun-nat64.service")
    machine.do("dpkg", "--purge", "kun-nat64", environment={"KUN_TEARDOWN": "yes"})
    assert machine.main_pid("gobgpd.service") == pid
    assert own.read_text() == text
    assert machine.run("systemctl", "is-enabled", "gobgpd.service").stdout.strip() == "enabled"


def test_umask_077_and_another_language_change_nothing(release: str, packages: dict[str, Path], tmp_path: Path) -> None:
    """Also shown: no compiler and no network is needed, and everybody may run the programs."""
    with unpacked(SUITES[release], PACKAGES, tmp_path) as tree:
        assert not list(tree.glob("usr/bin/*gcc*"))
        (tree / "packages").mkdir()
        for deb in packages.values():
            shutil.copy(deb, tree / "packages")
        language = {"LC_ALL": "de_DE.UTF-8"}
        script = "localedef -i de_DE -f UTF-8 de_DE.UTF-8; umask 077; dpkg --install /packages/*.deb"
        done = run_inside(tree, ["sh", "-ec", script], environment=language)
        assert done.returncode == 0, done.stdout + done.stderr
        for program in ("kun-controller", "kun-dns64", "kun-nat64"):
            # Every module is there with what it imports, compiled parts too, and a user without rights can read it.
            check = IMPORT_ALL.format(program=program, package=MODULES[program])
            nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
            script = f'{nobody} /usr/bin/python3 -I -c "{check}"; {nobody} {program} --version'
            done = run_inside(tree, ["sh", "-ec", script], environment=language)
            assert done.returncode == 0, done.stdout + done.stderr
            assert re.search(rf"{program} {re.escape(version())}.*, commit \S+, deb\n", done.stdout)
        assert "(compiled)" in run_inside(tree, ["kun-dns64", "--version"]).stdout
        as_nobody = nobody.split()
        assert run_inside(tree, [*as_nobody, "kun-dns64", "check-config", "/etc/kun/kun-dns64.toml"]).returncode == 0
        assert run_inside(tree, [*as_nobody, "cat", "/etc/kun/kun-nat64.toml"]).returncode != 0
        cached = [path for path in tree.glob("usr/lib/kun-dns64/kun_dns64/**/*.pyc")]
        assert cached
        assert all(path.stat().st_mode & 0o044 == 0o044 for path in cached)
