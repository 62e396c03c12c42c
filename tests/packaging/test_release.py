"""What a release is made of, short of building it: notes, list of parts, sums, refusals."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kun_base.version import version
from tests.loading import from_file

ROOT = Path(__file__).parent.parent.parent
PROGRAM = ROOT / "packaging/release.py"


@pytest.fixture(scope="module")
def release() -> ModuleType:
    return from_file(PROGRAM, "kun_release")


CHANGELOG = (
    "# Changelog\n\n## 0.3.0 (unreleased)\n\n- new\n\n## [0.2.0] - 2026-11-30\n\n- first\n- second\n\n## 0.1.0\n\n"
)


@pytest.mark.parametrize(
    ("number", "lines"), [("0.3.0", "- new"), ("0.2.0", "- first\n- second"), ("0.3.0rc1", "- new")]
)
def test_notes_are_the_section_of_the_changelog(release: ModuleType, number: str, lines: str) -> None:
    assert release.notes(CHANGELOG, number) == f"# KUN egress gateway {number}\n\n{lines}\n"


@pytest.mark.parametrize("number", ["0.1.0", "0.4.0", "0.2"])
def test_a_version_without_a_section_is_refused(release: ModuleType, number: str) -> None:
    with pytest.raises(release.ReleaseError, match=r"CHANGELOG\.md has no section"):
        release.notes(CHANGELOG, number)


def test_this_version_has_notes(release: ModuleType) -> None:
    assert "- " in release.notes((ROOT / "CHANGELOG.md").read_text(), version())


@pytest.mark.parametrize("number", ["", "1", "v0.2.0", "0.2.0; rm -rf /", "../0.2.0", "0.2.0-1", "latest"])
def test_a_wrong_version_changes_nothing(number: str, tmp_path: Path) -> None:
    argv = [sys.executable, str(PROGRAM), number, "--out", str(tmp_path / "out")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "make release VERSION=0.2.0" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_list_of_parts_names_every_pin_with_its_licence(release: ModuleType) -> None:
    locks = {name: (ROOT / name).read_text() for name in ("requirements.lock", "requirements-controller.lock")}
    text = release.sbom.document(locks, "0.2.0", "0123456789ab", 0)
    assert text == release.sbom.document(locks, "0.2.0", "0123456789ab", 0)
    parts = {part["name"]: part for part in json.loads(text)["components"]}
    assert set(parts) == set(re.findall(r"(?m)^([a-z0-9._-]+)==", "".join(locks.values())))
    assert len(parts) == len(json.loads(text)["components"])
    told = {name: part["properties"][0]["value"] for name, part in parts.items()}
    assert (told["aiohttp"], told["lightkube"]) == tuple(locks)
    assert [name for name, part in parts.items() if not part.get("licenses")] == []
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9._-]+@[\w.]+", part["purl"]) for part in parts.values())
    assert json.loads(text)["specVersion"] == "1.5"


def test_locks_that_differ_are_refused(release: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"b\.lock pins idna 3\.1, another 3\.0"):
        release.sbom.parts_of({"a.lock": "idna==3.0 \\\n", "b.lock": "idna==3.1 \\\n"})


def test_sums_are_of_every_file_but_themselves(release: ModuleType, tmp_path: Path) -> None:
    for name in ("b", "a", "SHA256SUMS", "SHA256SUMS.asc"):
        (tmp_path / name).write_text(name)
    (tmp_path / "SHA256SUMS").write_text(release.sums(tmp_path))
    checked = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert checked.stdout == "a: OK\nb: OK\n"
