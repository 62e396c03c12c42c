"""Without `[upstream] servers` those of resolv.conf are asked, ourselves left out."""

from pathlib import Path

import pytest

from kun_dns64.config.flags import Flags
from kun_dns64.config.settings import Settings

from .reading import NO_FLAGS, UPSTREAM, faults_of, settings_of


def test_without_servers_resolv_conf_is_asked(tmp_path: Path) -> None:
    resolv = tmp_path / "resolv.conf"
    resolv.write_text(
        "search example.org\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver nonsense\n"
        "nameserver fe80::1\nnameserver ::ffff:192.0.2.1\nnameserver 0.0.0.0\nnameserver fe80::1%eth0\n"
    )
    found = [str(server) for server in borrowing(tmp_path).groups[""]]
    assert found == ["udp://192.0.2.1", "udp://[2001:db8::1]", "udp://[fe80::1%eth0]"]


def borrowing(tmp_path: Path, flags: Flags = NO_FLAGS) -> Settings:
    return settings_of(tmp_path, '[upstream]\nresolv_conf = "resolv.conf"', flags)


@pytest.mark.parametrize("text", [None, "", "search example.org\n", "nameserver 0.0.0.0\n"])
def test_a_machine_that_names_nobody_yet_is_no_error_of_the_file(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "resolv.conf").write_text(text)
    settings = borrowing(tmp_path)
    assert settings.groups[""] == ()
    assert "names no server to ask yet" in settings.notices[-1]
    assert tmp_path / "resolv.conf" in [stamp.path for stamp in settings.watched]


def test_neither_servers_nor_a_file_with_some_is_one(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, '[upstream]\nresolv_conf = ""')
    assert "name an upstream" in fault
    assert "udp://192.0.2.53" in fault


@pytest.mark.parametrize(
    ("listen", "kept"),
    [
        ("127.0.0.1:53", ["udp://192.0.2.1"]),
        ("0.0.0.0:53", ["udp://192.0.2.1"]),
        ("127.0.0.1:5353", ["udp://127.0.0.1", "udp://192.0.2.1"]),
        ("[::]:53", ["udp://127.0.0.1", "udp://192.0.2.1"]),
    ],
)
def test_ourselves_in_resolv_conf_are_left_out_and_told(tmp_path: Path, listen: str, kept: list[str]) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\nnameserver 192.0.2.1\n")
    settings = borrowing(tmp_path, Flags(listen=(listen,)))
    assert [str(server) for server in settings.groups[""]] == kept
    assert len(settings.notices) == 2 - len(kept)


def test_named_servers_leave_resolv_conf_alone(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    settings = settings_of(tmp_path, UPSTREAM + 'resolv_conf = "resolv.conf"')
    assert [str(server) for server in settings.groups[""]] == ["udp://192.0.2.53"]
    assert (settings.watched, settings.notices) == ((), ())
