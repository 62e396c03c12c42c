"""Which files are written from the code, and from what."""

from pathlib import Path

from kun_dns64.config.file import ConfigFile as Dns64File
from kun_nat64.config.file import ConfigFile as Nat64File
from reference import example_file, page

ROOT = Path(__file__).parent.parent


def written_files() -> dict[Path, str]:
    """Path below the repository to content."""
    return {
        Path("gateway-config/kun-dns64.toml"): example_file.render(Dns64File, "kun-dns64"),
        Path("gateway-config/kun-nat64.toml"): example_file.render(Nat64File, "kun-nat64"),
        Path("docs/reference.md"): page.render(),
    }


def outdated(root: Path = ROOT) -> list[Path]:
    """Files that differ from the code."""
    files = written_files().items()
    return [name for name, text in files if not (root / name).is_file() or (root / name).read_text() != text]
