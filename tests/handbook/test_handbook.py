"""Every block of the handbook is used: commands run or are checked against the flags, files are read by the programs.

A comment in front of a block says how: `run` executes its lines, `output` is what the lines before print, `kun-dns64`
and `kun-nat64` are configurations, `compile` are manifests, `gateway` are commands for a gateway or a running server,
whose form is checked. So is the form of our commands, and of our keys, in every other page.
"""

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from kun_base.partial import model_in
from kun_nat64.config.file import ConfigFile
from tests.command_lines import COMMANDS, problem_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HANDBOOK = sorted((DOCS / "handbook").glob("*.md"))
BLOCK = re.compile(
    r"(?:^<!-- (?P<how>[\w-]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
LANGUAGES = {
    "run": "sh",
    "gateway": "sh",
    "output": "text",
    "kun-dns64": "toml",
    "kun-nat64": "toml",
    "compile": "yaml",
}
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    how: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page.name, text.count("\n", 0, found.start()) + 1, found["how"] or "", found["language"], found["text"])
        for found in BLOCK.finditer(text)
    ]


BLOCKS = [block for page in HANDBOOK for block in blocks_of(page)]


def which(*how: str) -> list[Block]:
    return [block for block in BLOCKS if block.how in how]


def run_line(line: str, folder: Path) -> str:
    program, *words = line.split()
    assert program in COMMANDS, f"{program} is run by no test"
    done = subprocess.run(
        [PROGRAMS / program, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_block_says_how_it_is_checked() -> None:
    assert len(BLOCKS) > 20
    assert [str(one) for one in BLOCKS if LANGUAGES.get(one.how) != one.language] == []


@pytest.mark.parametrize("block", which("gateway", "run"), ids=str)
def test_commands_have_the_flags_of_the_programs(block: Block) -> None:
    assert [problem for line in block.text.splitlines() if (problem := problem_of(line))] == []


@pytest.mark.parametrize("block", which("kun-dns64", "kun-nat64"), ids=str)
def test_configurations_are_good(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "handbook.toml"
    file.write_text(block.text)
    run_line(f"{block.how} check-config {file}", tmp_path)


@pytest.mark.parametrize("block", which("compile"), ids=str)
def test_manifests_compile_with_nothing_out_of_force(block: Block, tmp_path: Path) -> None:
    names = [one["metadata"]["name"] for one in yaml.safe_load_all(block.text)]
    (tmp_path / "pools.yaml").write_text(block.text)
    table = run_line("kun-controller compile --strict pools.yaml", tmp_path)
    assert [name for name in names if name not in table] == []


@pytest.mark.parametrize("page", HANDBOOK, ids=lambda page: page.name)
def test_commands_that_run_here_print_the_output_shown(page: Path, tmp_path: Path) -> None:
    printed = ""
    for block in blocks_of(page):
        if block.how == "compile":
            (tmp_path / "pools.yaml").write_text(block.text)
        elif block.how == "run":
            printed = "".join(run_line(line, tmp_path) for line in block.text.splitlines())
        elif block.how == "output":
            assert printed == block.text


# The reference is written from the code.
WRITTEN = {"docs/reference.md"}
PAGES = [
    page
    for page in [
        *ROOT.glob("*.md"),
        *(one for name in ("docs", "gateway-config", "lab", "bench") for one in ROOT.glob(f"{name}/**/*.md")),
    ]
    if str(page.relative_to(ROOT)) not in WRITTEN
]
FENCED = re.compile(r"^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)


def fenced(page: Path, *languages: str) -> list[str]:
    return [found["text"] for found in FENCED.finditer(page.read_text()) if found["language"] in languages]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_our_commands_in_every_page_have_the_flags_of_the_programs(page: Path) -> None:
    lines = [line.strip() for text in fenced(page, "", "sh", "text") for line in text.splitlines()]
    ours = [line for line in lines if re.match(rf"(sudo )?\S*\b({'|'.join(COMMANDS)}) ", line)]
    assert [(line, problem) for line in ours if (problem := problem_of(line))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_gateways_keys_in_every_page_exist(page: Path) -> None:
    for text in fenced(page, "toml"):
        sections = tomllib.loads(text)
        if not sections.keys() & {"gateway", "nat64", "bgp", "tenant"}:
            continue
        assert sections.keys() - ConfigFile.model_fields.keys() == set()
        for name, section in sections.items():
            model = model_in(ConfigFile.model_fields[name].annotation)
            known = {field.alias or key for key, field in model.model_fields.items()} if model else set()
            assert {
                key for one in (section if isinstance(section, list) else [section]) for key in one
            } - known == set()


INLINE = re.compile(r"`((?:kun-dns64|kun-nat64|kun-controller) [^`]+)`")


@pytest.mark.parametrize("page", [*HANDBOOK, *sorted((DOCS / "runbooks").glob("*.md"))], ids=lambda page: page.name)
def test_commands_within_sentences_exist(page: Path) -> None:
    named = [line.split()[:3] for line in INLINE.findall(page.read_text())]
    wrong = [words for words in named if not any(" ".join(words[1:n]) in COMMANDS[words[0]] for n in (2, 3))]
    assert [" ".join(words) for words in wrong if not words[1].startswith("-")] == []


LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#([\w-]+))?\)")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    wrong = []
    for path, heading in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve()
        if not target.exists() or (heading and target.suffix == ".md" and heading not in headings(target)):
            wrong.append(f"{path}#{heading}")
    assert wrong == []


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_every_page_is_in_the_navigation() -> None:
    class Loader(yaml.SafeLoader):
        """mkdocs names functions of extensions by tags."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    site = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)
    named = set(re.findall(r"'([\w/.-]+\.md)'", str(site["nav"])))
    there = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert {name for name in there - named if not name.startswith("runbooks/Kun")} == set()
    assert named <= there
