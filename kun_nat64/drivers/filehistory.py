"""The files that came into force on this gateway: for `rollback`, and to see who changed what, and when."""

import hashlib
import json
import os
import pwd
import time
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "history"
MOST = 20


@dataclass(frozen=True, slots=True)
class Applied:
    """One file that came into force. `at`: seconds since 1970; `how`: apply, agent or rollback; `number`: ascending."""

    number: int
    at: float
    by: str
    how: str
    file: str
    checksum: str


def record(folder: Path, file: Path, how: str) -> None:
    """Keep the file's text, unless it is the newest one already. Raises OSError."""
    text = file.read_bytes()
    checksum = hashlib.sha256(text).hexdigest()
    known = entries(folder)
    if known and known[-1].checksum == checksum:
        return
    number = known[-1].number + 1 if known else 1
    entry = Applied(number, time.time(), _person(), how, str(file), checksum)
    place = folder / FOLDER
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(place / f"{number:06}.toml", text)
    _write(place / f"{number:06}.json", json.dumps(asdict(entry)).encode())
    for old in known[: max(0, len(known) + 1 - MOST)]:
        for ending in ("json", "toml"):
            (place / f"{old.number:06}.{ending}").unlink(missing_ok=True)


def entries(folder: Path) -> list[Applied]:
    """Return what is kept, oldest first. An entry that cannot be read is left out."""
    found = []
    for path in sorted((folder / FOLDER).glob("[0-9]*.json")):
        try:
            entry = Applied(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue
        if text_of(folder, entry) is not None:
            found.append(entry)
    return found


def text_of(folder: Path, entry: Applied) -> bytes | None:
    """Return the file's text; None where it is gone or was changed since."""
    try:
        text = (folder / FOLDER / f"{entry.number:06}.toml").read_bytes()
    except OSError:
        return None
    return text if hashlib.sha256(text).hexdigest() == entry.checksum else None


def newest_other(folder: Path, file: Path) -> Applied | None:
    """Return the newest kept file that differs from `file` as it is now."""
    try:
        now = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        now = ""
    return next((entry for entry in reversed(entries(folder)) if entry.checksum != now), None)


def put_back(folder: Path, entry: Applied, file: Path) -> Path | None:
    """Replace `file` by a kept one; what stood there goes to FILE.rolled-back, which is returned. Raises OSError."""
    text = text_of(folder, entry)
    if text is None:
        raise OSError(f"the kept file {entry.number} is gone or damaged")
    aside = file.with_name(f"{file.name}.rolled-back")
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o640
    kept = None
    if file.exists():
        _write(aside, file.read_bytes())
        kept = aside
    fresh = file.with_name(f".{file.name}.new")
    _write(fresh, text)
    fresh.chmod(mode)
    fresh.replace(file)
    return kept


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def _person() -> str:
    named = os.environ.get("SUDO_USER", "")
    if named:
        return named
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
