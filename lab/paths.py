"""Where the lab keeps things on this machine."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
GUEST_FILES = Path(__file__).resolve().parent / "guest"


def cache_directory() -> Path:
    """Finished images. `KUN_LAB_CACHE` moves it."""
    chosen = os.environ.get("KUN_LAB_CACHE")
    if chosen:
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kun-lab"


def state_directory(name: str) -> Path:
    """What belongs to one running lab: its control token, console log and process number."""
    return cache_directory() / "running" / name
