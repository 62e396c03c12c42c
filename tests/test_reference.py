"""The files that are written from the code are those that the code writes today."""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from kun_base.config_marks import COMMENTED_OUT
from kun_base.key_descriptions import undescribed
from kun_dns64.config.file import ConfigFile as Dns64File
from kun_dns64.config.schema import json_schema
from kun_nat64.config.file import ConfigFile as Nat64File
from kun_nat64.config.load import schema as nat64_schema
from reference import example_file
from reference.files import ROOT, outdated, written_files


def test_no_written_file_is_behind_the_code() -> None:
    assert outdated() == [], "run: make reference"


@pytest.mark.parametrize("name", written_files(), ids=str)
def test_a_file_that_was_edited_by_hand_is_found(name: Path, tmp_path: Path) -> None:
    for one in written_files():
        (tmp_path / one).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / one, tmp_path / one)
    (tmp_path / name).write_text((ROOT / name).read_text().replace("seconds", "minutes", 1))
    assert outdated(tmp_path) == [name]


@pytest.mark.parametrize("model", [Dns64File, Nat64File], ids=["kun-dns64", "kun-nat64"])
def test_every_key_is_described(model: type[BaseModel]) -> None:
    assert undescribed(model) == []


@pytest.mark.parametrize("schema", [json_schema(), json.loads(nat64_schema())], ids=["kun-dns64", "kun-nat64"])
def test_the_schema_describes_every_key(schema: dict[str, Any]) -> None:
    sections = schema["$defs"].values()
    missing = [key for one in sections for key, value in one["properties"].items() if not value.get("description")]
    assert missing == []
    assert all(one.get("description") for one in sections if one["title"].endswith("Section"))


class Inner(BaseModel):
    """A section."""

    word: str = 'a "quoted" word'
    """Text with | and #."""
    asn: int = Field(alias="as", examples=[7])
    """A number."""
    off: Annotated[str | None, Field(examples=["x"]), COMMENTED_OUT] = None
    """Off."""
    bare: int = 1


class Whole(BaseModel):
    """A file."""

    inner: Inner
    many: list[Inner] = []
    """More."""


def test_a_key_without_a_description_is_found() -> None:
    assert undescribed(Whole) == ["inner.bare", "many.bare"]


def test_the_example_file_has_aliases_examples_and_keys_that_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(Inner.model_fields, "bare")
    text = example_file.render(Whole, "kun-test")
    assert '[inner]\n\n# Text with | and #.\nword = "a \\"quoted\\" word"\n' in text
    assert "# A number. Required.\nas = 7\n" in text
    assert '\n#off = "x"\n' in text
    assert "\n#[[many]]\n\n# Text with | and #.\n#word = " in text
