"""Where the control socket is: for the server that makes it, and for the commands that look for it."""

import os
import tomllib
from pathlib import Path

DEFAULT_FILE = Path("/etc/kun/kun-dns64.toml")
SYSTEM_FOLDER = Path("/run/kun-dns64")
NAME = "control.sock"
OFF = "none"


def control_path(written: str, folder: Path) -> Path | None:
    """Return the path that `[control] socket` means. "": the default place; "none": no socket.

    `folder`: what a relative path is relative to. None where there is no socket: "none", or a user without a
    run directory.
    """
    if written == OFF:
        return None
    return folder / written if written else default_path()


def default_path() -> Path | None:
    """Return systemd's RuntimeDirectory=, /run/kun-dns64 for root, or the user's own run directory."""
    named = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if named:
        return Path(named) / NAME
    if os.geteuid() == 0:
        return SYSTEM_FOLDER / NAME
    user = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(user) / "kun-dns64" / NAME if user else None


def search_path(config: Path | None) -> list[Path]:
    """Return where a command looks for the running server's socket, the likeliest place first.

    The file named (or /etc/kun/kun-dns64.toml) says where it is. A file that cannot be read says nothing: the server
    itself reports what is wrong with it.
    """
    file = config or DEFAULT_FILE
    found: list[Path] = []
    try:
        section = tomllib.loads(file.read_text()).get("control", {})
        written = section.get("socket", "") if isinstance(section, dict) else ""
        if isinstance(written, str) and written not in ("", OFF):
            found.append(file.parent / written)
    except (OSError, ValueError):
        pass
    user = os.environ.get("XDG_RUNTIME_DIR", "")
    own = [Path(user) / "kun-dns64" / NAME] if user else []
    return found or [SYSTEM_FOLDER / NAME, *own]
