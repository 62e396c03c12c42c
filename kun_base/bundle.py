"""Write a support bundle: one tar of texts, with secrets masked and nothing waited for longer than its deadline."""

import io
import re
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

DEADLINE_S = 4.0
MAX_BYTES = 4 << 20
# Where every command hangs, some twenty of them end within 20 s.
AT_ONCE = 6
# `key = value` for keys such as password, cookie_secret, bearer_token; keys that name a file are left as they are.
_SECRET = re.compile(r"^(\s*(?!\w+_file\b)\w*(?:password|secret|token)\w*\s*=\s*).+$", re.IGNORECASE | re.MULTILINE)
_INLINE = re.compile(r"""((?:password|secret|token)\w*\s*=\s*)("[^"]*"|'[^']*')""", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(://)[^/@\s\"']+@")


def masked(text: str) -> str:
    """Replace the values of keys that may hold secrets, and credentials in URLs."""
    text = _SECRET.sub(r"\1(masked)", text)
    return _CREDENTIALS.sub(r"\1(masked)@", _INLINE.sub(r"\1(masked)", text))


def output_of(argv: Sequence[str]) -> str:
    """Return what a command prints, or why it could not be had. Never raises, never takes longer than DEADLINE_S."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=DEADLINE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(argv)}: {error}\n"
    text = (done.stdout + done.stderr).decode(errors="replace")
    return text if done.returncode == 0 else f"{text}\n{' '.join(argv)}: exit code {done.returncode}\n"


def write_bundle(path: Path, parts: Mapping[str, Callable[[], str]]) -> list[str]:
    """Write the parts, masked, as files of one folder in a tar; return their names. Raises OSError for the tar itself.

    Parts are made side by side. One that fails is written as the error it met.
    """
    folder, now = path.name.partition(".")[0], int(time.time())
    with tarfile.open(path, "x:gz") as tar:
        path.chmod(0o600)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            texts = list(pool.map(_text, parts.values()))
        for name, text in zip(parts, texts, strict=True):
            data = masked(text).encode()[-MAX_BYTES:]
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(data), now, 0o600
            tar.addfile(entry, io.BytesIO(data))
    return list(parts)


def _text(part: Callable[[], str]) -> str:
    try:
        return part()
    except Exception as error:
        return f"not available: {error!r}\n"
