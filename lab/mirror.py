"""Which Debian mirror to build the guest from: the one that apt on this machine already uses."""

import os
import subprocess

DEFAULT = "http://deb.debian.org/debian"


def find_mirror() -> str:
    """`KUN_LAB_MIRROR`, else the first Debian archive in apt's own configuration, else deb.debian.org."""
    chosen = os.environ.get("KUN_LAB_MIRROR")
    if chosen:
        return chosen
    line = "$(ORIGIN)|$(COMPONENT)|$(RELEASE)|$(REPO_URI)"
    argv = ["apt-get", "indextargets", "--format", line, "Created-By: Packages"]
    try:
        listing = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    except OSError:
        return DEFAULT
    return choose_mirror(listing) or DEFAULT


def choose_mirror(listing: str) -> str:
    """From lines `origin|component|release|URI`: the archive of Debian proper, not its security or update parts."""
    for line in listing.splitlines():
        origin, component, release, uri = line.split("|", 3)
        proper = origin == "Debian" and component == "main" and "-" not in release
        if proper and uri.startswith(("http://", "https://")):
            return uri.rstrip("/")
    return ""
