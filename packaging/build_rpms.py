"""Build RPM packages from the Debian packages: python3 packaging/build_rpms.py DEB... [--out FOLDER]

Unsupported: nobody installs them in a test. They hold the same files (packaging/files.list is read once, for the
Debian package), with the units below /usr/lib, and ask for the Python whose release of Debian they come from. Jool and
GoBGP are no packages of RPM distributions: bring them yourself. Needs rpmbuild, and no root.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import deb_tree  # noqa: E402
from build_debs import MAINTAINER, source_date  # noqa: E402
from chroots import SUITES, run_checked  # noqa: E402

ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "all": "noarch"}
# Debian's names where they differ; "": no RPM distribution has it.
NAMES = {
    "iproute2": "iproute",
    "procps": "procps-ng",
    "iptables": "iptables-nft",
    "libc6": "glibc",
    "libgcc-s1": "libgcc",
    "libstdc++6": "libstdc++",
    "zlib1g": "zlib",
    **dict.fromkeys(("jool-tools", "jool-dkms", "gobgpd"), ""),
}
# Nothing is compressed, stripped or compiled behind our back, and nothing tells of the machine that builds.
MACROS = """\
%global __os_install_post %{nil}
%global debug_package %{nil}
%global _build_id_links none
%global _buildhost localhost
%global _binary_payload w9.zstdio
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
"""
SCRIPTS = """\
%post
PYTHON_COMPILE
systemctl --quiet daemon-reload 2>/dev/null || :
if [ "$1" = 1 ]; then
    echo "NAME: nothing was started. Edit CONFIG, then: systemctl enable --now SERVICE"
elif systemctl --quiet is-active SERVICE 2>/dev/null; then
    echo "NAME: SERVICE goes on with the former version: systemctl restart SERVICE"
fi

%preun
if [ "$1" = 0 ]; then
    systemctl --quiet disable --now UNITS 2>/dev/null || :
    [ ! -d /usr/lib/NAME ] || find /usr/lib/NAME -name __pycache__ -prune -exec rm -rf {} +
fi

%postun
systemctl --quiet daemon-reload 2>/dev/null || :
"""


def relations(text: str) -> Iterator[str]:
    """Give what an RPM asks for, from a Depends or Recommends line; Python is asked for by its path."""
    for one in filter(None, text.replace("\n", " ").split(", ")):
        match = re.fullmatch(r"(\S+)(?: \((?:>=|>) ([^)]+)\))?", one)
        name = match[1] if match else ""
        if match and name != "python3" and NAMES.get(name, name):
            yield NAMES.get(name, name) + (f" >= {match[2]}" if match[2] else "")


def listed(deb: deb_tree.Deb) -> Iterator[str]:
    """Give the lines of %files: folders of our own, files with their modes, configuration that an upgrade keeps."""
    conffiles = (deb.tree / "DEBIAN/conffiles").read_text().split() if (deb.tree / "DEBIAN/conffiles").exists() else []
    for name in deb.files():
        path = deb.tree / name
        mode = f"%attr({path.lstat().st_mode & 0o7777:04o}, root, root)"
        if path.is_dir() and not path.is_symlink():
            if re.search(rf"(^|/)({re.escape(deb.package)}|etc/kun)(/|$)", str(name)):
                yield f'%dir {mode} "/{name}"'
        elif path.is_symlink():
            yield f'"/{name}"'
        else:
            yield f'{"%config(noreplace) " if f"/{name}" in conffiles else ""}{mode} "/{name}"'


def usual_places(deb: deb_tree.Deb) -> None:
    """Move the units to /usr/lib (Debian 12 has them below /lib), and name the Python the libraries are for."""
    units = deb.tree / "lib/systemd/system"
    if units.is_dir():
        target = deb.tree / "usr/lib/systemd/system"
        target.mkdir(parents=True, exist_ok=True)
        for unit in units.iterdir():
            unit.rename(target / unit.name)
        shutil.rmtree(deb.tree / "lib")
    for program in deb.tree.glob("usr/bin/*"):
        text = program.read_text()
        program.write_text(text.replace("#!/usr/bin/python3 ", f"#!/usr/bin/python{SUITES[deb.release].python} "))


def spec(deb: deb_tree.Deb) -> str:
    """Give the recipe for rpmbuild; the files lie in `files` beside it."""
    settings, python = deb.settings(), SUITES[deb.release].python
    version, _, _ = deb.version.partition("-")
    about, _, text = deb.field("Description").partition("\n")
    program = (deb.tree / "usr/lib" / deb.package).is_dir() and deb.package != "kun-6to4"
    lines = [f"Name: {deb.package}", f"Version: {version}", f"Release: 1.py{python.replace('.', '')}"]
    lines += [f"Summary: {about}", "License: Apache-2.0", "Group: System Environment/Daemons", "AutoReqProv: no"]
    lines += [f"Packager: {MAINTAINER}", "URL: https://kun-gateway.example/"]
    lines += [f"Requires: /usr/bin/python{python}"] if program else []
    lines += [f"Requires: {one}" for one in relations(deb.field("Depends"))]
    lines += [f"Recommends: {one}" for one in relations(deb.field("Recommends"))]
    described = "\n".join("" if line == " ." else line[1:] for line in text.splitlines())
    words = {
        "PYTHON_COMPILE": f"/usr/bin/python{python} -m compileall -q /usr/lib/{deb.package} || :" if program else ":",
        "CONFIG": settings["config"],
        "SERVICE": settings["service"],
        "UNITS": f"{settings['service']} {settings['left_alone']}".strip(),
        "NAME": deb.package,
    }
    scripts = re.sub("|".join(words), lambda match: words[match[0]], SCRIPTS)
    install = '%install\nmkdir -p %{buildroot}\ncp -a "%{_topdir}/files/." %{buildroot}/'
    return (
        "\n\n".join(
            [
                MACROS + "\n".join(lines),
                f"%description\n{described}",
                install,
                scripts,
                "%files\n" + "\n".join(listed(deb)),
            ]
        )
        + "\n"
    )


def build(source: Path, out: Path) -> Path:
    """Build one. Raises ChrootError and ValueError."""
    with tempfile.TemporaryDirectory(prefix="kun-rpm-") as scratch:
        deb = deb_tree.take_apart(source, Path(scratch, "files"))
        usual_places(deb)
        recipe = Path(scratch, f"{deb.package}.spec")
        recipe.write_text(spec(deb))
        shutil.rmtree(deb.tree / "DEBIAN")
        argv = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {scratch}", "--define", f"_rpmdir {scratch}/made"]
        argv += ["--target", f"{ARCHITECTURES[deb.architecture]}-linux", str(recipe)]
        run_checked(["env", "LC_ALL=C.UTF-8", f"SOURCE_DATE_EPOCH={source_date()}", *argv])
        (made,) = Path(scratch, "made").glob("*/*.rpm")
        return Path(shutil.copy(made, out / made.name))


def main(arguments: Sequence[str]) -> int:
    asked = deb_tree.parser_of(__doc__, "packages of build_debs.py or build_arm64.py").parse_args(arguments)
    os.umask(0o022)
    if not shutil.which("rpmbuild"):
        print("packages: needs rpmbuild (apt-get install rpm)", file=sys.stderr)
        return 1
    return deb_tree.report(build(source, asked.out) for source in asked.debs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
