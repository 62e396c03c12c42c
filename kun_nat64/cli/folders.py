"""Folders in which the agent keeps its state."""

import os
from pathlib import Path

RUN_DIR = Path("/run/kun-nat64")
USUAL = Path("/var/lib/kun-nat64")


def state_folder() -> Path | None:
    """Return systemd's StateDirectory=; None: the unit has none, and the run directory is used."""
    named = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(named) if named else None


def lasting_folder(run_dir: Path) -> Path:
    """Return systemd's StateDirectory=, its usual place, or the run directory."""
    return state_folder() or (USUAL if USUAL.is_dir() else run_dir)
