"""A file as text, and what becomes of it: settings, or faults as they are printed."""

from pathlib import Path

import pytest

from kun_base.errors import ConfigError
from kun_dns64.config.flags import Flags
from kun_dns64.config.load import load
from kun_dns64.config.resolve import resolve
from kun_dns64.config.settings import Settings

NO_FLAGS = Flags()
UPSTREAM = '[upstream]\nservers = ["udp://192.0.2.53"]\n'


def settings_of(tmp_path: Path, text: str, flags: Flags = NO_FLAGS) -> Settings:
    path = tmp_path / "kun-dns64.toml"
    path.write_text(text)
    return resolve(load(path, flags))


def faults_of(tmp_path: Path, text: str, flags: Flags = NO_FLAGS) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settings_of(tmp_path, text, flags)
    return [str(fault) for fault in caught.value.faults]
