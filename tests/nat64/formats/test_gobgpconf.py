import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.formats.gobgpconf import document, global_section
from kun_nat64.model.spec import AgentSpec

Specs = Callable[..., AgentSpec]
PEERS = [{"address": "10.2.1.1", "as": 65000, "hold_s": 9}, {"address": "2001:db8::1", "as": 65000}]


def parsed(spec: AgentSpec, passwords: dict[str, str] | None = None) -> dict[str, Any]:
    return tomllib.loads(document(spec.bgp, passwords or {}))


def test_every_peer_is_a_neighbour_that_never_graces_a_restart(spec_with: Specs) -> None:
    first, second = parsed(spec_with(bgp={"peers": PEERS}))["neighbors"]
    assert first["config"] == {"neighbor-address": "10.2.1.1", "peer-as": 65000}
    assert first["timers"]["config"]["hold-time"] == 9
    assert first["timers"]["config"]["keepalive-interval"] == 3
    assert first["transport"]["config"]["local-address"] == "10.2.1.2"
    assert "transport" not in second, "an IPv4 address is no local end of an IPv6 session"
    assert [one["graceful-restart"]["config"]["enabled"] for one in (first, second)] == [False, False]


def test_only_our_prefixes_leave_and_nothing_comes_in(spec_with: Specs) -> None:
    made = parsed(spec_with(bgp={"prefixes": ["2002:cb00:7101::/48"], "next_hop6": "fd00:11::2"}))
    apply = made["global"]["apply-policy"]["config"]
    assert apply["default-import-policy"] == apply["default-export-policy"] == "reject-route"
    sets = {one["prefix-set-name"]: one["prefix-list"] for one in made["defined-sets"]["prefix-sets"]}
    assert sets == {
        "own4": [{"ip-prefix": "203.0.113.1/32"}],
        "own6": [{"ip-prefix": "2002:cb00:7101::/48"}],
    }
    export = next(one for one in made["policy-definitions"] if one["name"] == "vip-only")
    used = {one["conditions"]["match-prefix-set"]["prefix-set"] for one in export["statements"]}
    assert used == {"own4", "own6"}


@given(st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF)))
def test_any_password_arrives_as_it_is(password: str) -> None:
    from kun_nat64.formats.gobgpconf import _text

    assert tomllib.loads(f"it = {_text(password)}")["it"] == password


def test_a_password_is_of_its_peer_alone(spec_with: Specs) -> None:
    first, second = parsed(spec_with(bgp={"peers": PEERS}), {"10.2.1.1": 'a"b\\c'})["neighbors"]
    assert first["config"]["auth-password"] == 'a"b\\c'
    assert "auth-password" not in second["config"]


def test_another_as_changes_what_only_a_restart_takes(spec_with: Specs) -> None:
    assert global_section(spec_with().bgp) != global_section(spec_with(bgp={"local_as": 65002}).bgp)
    assert global_section(spec_with().bgp) == global_section(spec_with(bgp={"peers": PEERS}).bgp)


@pytest.mark.parametrize("bgp", [{}, {"peers": PEERS, "prefixes": ["2002:cb00:7101::/48"], "next_hop6": "fd00:11::2"}])
def test_gobgpd_takes_it(bgp: dict[str, Any], spec_with: Specs, tmp_path: Path) -> None:
    if shutil.which("gobgpd") is None:
        pytest.skip("gobgpd (Debian package gobgpd) is not installed")
    path = tmp_path / "gobgpd.conf"
    path.write_text(document(spec_with(bgp=bgp).bgp, {"10.2.1.1": 'p"w'}))
    checked = subprocess.run(["gobgpd", "-d", "-f", str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_keys_of_one_peer_are_in_the_file_and_gobgpd_takes_it(
    spec_with: Specs, tool: Callable[[str, str], str], run: Callable[..., Any], tmp_path: Path
) -> None:
    peers = [
        {"address": "10.2.1.1", "as": 65000, "ttl_security": True, "communities": ["65000:7"]},
        {"address": "10.2.2.1", "as": 65000},
    ]
    text = document(spec_with(bgp={"manage_daemon": True, "peers": peers}).bgp, {})
    first, second = tomllib.loads(text)["neighbors"]
    assert first["ttl-security"]["config"] == {"enabled": True, "ttl-min": 255}
    assert "ttl-security" not in second
    file = tmp_path / "gobgpd.conf"
    file.write_text(text)
    checked = run(tool("gobgpd", "gobgpd"), "-d", "-f", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_bfd_is_asked_of_gobgpd_as_it_wants_it(spec_with: Specs) -> None:
    peers = [{"address": "10.2.1.1", "as": 65000, "bfd": True}]
    (peer,) = tomllib.loads(document(spec_with(bgp={"manage_daemon": True, "peers": peers}).bgp, {}))["neighbors"]
    times = {"desired-minimum-tx-interval": 300000, "required-minimum-receive": 300000, "detection-multiplier": 3}
    assert peer["bfd"]["config"] == {"enabled": True, **times}
