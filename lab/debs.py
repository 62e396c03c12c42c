"""Fetches the packages of the guest with apt, which keeps its connection and tries again; debootstrap installs them.

debootstrap alone opens a connection (and asks the DNS) once per package, some two hundred times, and gives up on the
first that fails.
"""

from pathlib import Path

from lab.recipe import ARCHITECTURE, Recipe

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def prepare_directories(directory: Path, mirror: str, suite: str) -> None:
    """An apt of its own: lists, cache and sources apart from this machine's."""
    for name in ("lists/partial", "archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "status").touch()
    sources = f"deb [arch={ARCHITECTURE} signed-by={KEYRING}] {mirror} {suite} main\n"
    (directory / "etc/sources.list").write_text(sources)


def apt_command(directory: Path, *arguments: str) -> list[str]:
    settings = {
        "Dir::Etc::sourcelist": directory / "etc/sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferencesparts": directory / "etc/preferences.d",
        "Dir::State::lists": directory / "lists",
        "Dir::State::status": directory / "status",
        "Dir::Cache::archives": directory / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Architecture": ARCHITECTURE,
        "APT::Architectures": ARCHITECTURE,
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 5,
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "APT::Keep-Downloaded-Packages": "true",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    return ["apt-get", "-q", "-y", *options, *arguments]


def fetch_commands(directory: Path, recipe: Recipe) -> tuple[list[str], list[str]]:
    """Two commands, to be run in turn; the .deb files are in `directory`/archives afterwards.

    The closure is that of debootstrap's minbase variant: essential packages, apt, ours, and what they depend on.
    """
    wanted = ("?essential", "?priority(required)", "apt", *recipe.packages)
    install = ("install", "--download-only", "--no-install-recommends", *wanted)
    return apt_command(directory, "update"), apt_command(directory, *install)
