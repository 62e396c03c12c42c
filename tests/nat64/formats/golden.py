"""Output of the real tools, captured on a gateway; the file names carry the versions."""

from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def golden(name: str) -> str:
    return (FOLDER / name).read_text()
