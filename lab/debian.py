"""The Debian versions that the lab can be built from, and what of each the build has to know."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class Debian:
    """One version of Debian: its suite in the archive, its Python ("313" is 3.13), the minor number of its glibc 2."""

    version: str
    suite: str
    python: str
    glibc: int

    @property
    def python_command(self) -> str:
        """`python3.13`, as Debian names the program and its folder of libraries."""
        return f"python{self.python[0]}.{self.python[1:]}"


DEBIANS = (
    Debian("12", "bookworm", "311", 36),
    Debian("13", "trixie", "313", 41),
    Debian("sid", "sid", "314", 42),
)
DEFAULT = "13"
VARIABLE = "DEBIAN"


def debian(version: str) -> Debian:
    """Return the Debian of that version ("12", "13", "sid"). Raises LabError with the versions that there are."""
    for each in DEBIANS:
        if each.version == version:
            return each
    known = ", ".join(each.version for each in DEBIANS)
    raise LabError(
        f"{VARIABLE}={version}: the lab knows the Debian versions {known} (for example {VARIABLE}={DEFAULT})"
    )


def chosen_debian(environment: Mapping[str, str] = os.environ) -> Debian:
    """Return the version that the variable DEBIAN names, else the default."""
    return debian(environment.get(VARIABLE) or DEFAULT)
