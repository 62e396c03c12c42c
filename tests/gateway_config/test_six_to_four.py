"""node/kun-6to4: the prefix it derives, and what it runs, seen through an `ip` that writes down its arguments."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "gateway-config" / "node" / "kun-6to4"
FAKE_IP = """#!/bin/sh
echo "ip $*" >>"$CALLS"
case $1-$2 in link-show) exit 1 ;; esac
"""


def run_script(tmp_path: Path, conf: str, *words: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    (tmp_path / "kun-6to4.conf").write_text(conf)
    fake = tmp_path / "ip"
    fake.write_text(FAKE_IP)
    fake.chmod(0o755)
    calls = tmp_path / "calls"
    calls.touch()
    # The kernel switch at the end needs root: a copy writes to a file in its place.
    script = tmp_path / "kun-6to4"
    script.write_text(
        SCRIPT.read_text().replace("/proc/sys/net/ipv6/conf/all/forwarding", str(tmp_path / "forwarding"))
    )
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "KUN_6TO4_CONF": str(tmp_path / "kun-6to4.conf"),
    }
    argv = ["sh", str(script), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False, env=environment)
    return done, calls.read_text().splitlines()


@pytest.mark.parametrize("address", ["10.1.1.2", "192.0.2.2", "255.0.16.1"])
def test_the_nodes_prefix_is_the_one_of_rfc_3056(tmp_path: Path, address: str) -> None:
    done, calls = run_script(tmp_path, f"LOCAL={address}\nMTU=8800\n", "up")
    assert done.returncode == 0, done.stderr
    added = next(call.split()[4] for call in calls if call.startswith("ip -6 addr replace"))
    own = "2002:" + ":".join(f"{int(a):02x}{int(b):02x}" for a, b in [address.split(".")[:2], address.split(".")[2:]])
    assert added == f"{own}::1/128"


def test_up_makes_the_tunnel_and_sends_2002_into_it(tmp_path: Path) -> None:
    _, calls = run_script(tmp_path, "LOCAL=10.1.1.2\nMTU=1480\n", "up")
    assert "ip tunnel add kun6to4 mode sit remote any local 10.1.1.2 ttl 64" in calls
    assert "ip link set kun6to4 mtu 1480 up" in calls
    assert "ip -6 route replace 2002::/16 dev kun6to4" in calls


def test_a_missing_address_is_told(tmp_path: Path) -> None:
    done, calls = run_script(tmp_path, "MTU=8800\n", "up")
    assert done.returncode == 2
    assert "LOCAL is missing" in done.stderr
    assert calls == []


def test_an_ipv6_address_is_refused_by_its_key(tmp_path: Path) -> None:
    done, calls = run_script(tmp_path, "LOCAL=fd00::1\n", "up")
    assert done.returncode == 2
    assert "LOCAL is fd00::1: it must be this node's IPv4 address" in done.stderr
    assert calls == []


def kept(tmp_path: Path, shown: str, seconds: float) -> tuple[str, str, int, list[str]]:
    """Run `keep` with LOCAL from the environment beside an `ip` that shows the tunnel so; ended by SIGTERM."""
    fake = tmp_path / "ip"
    fake.write_text(f'#!/bin/sh\necho "ip $*" >>"$CALLS"\ncat <<END\n{shown}\nEND\n')
    fake.chmod(0o755)
    (tmp_path / "forwarding").write_text("1\n")
    script = tmp_path / "kun-6to4"
    script.write_text(
        SCRIPT.read_text().replace("/proc/sys/net/ipv6/conf/all/forwarding", str(tmp_path / "forwarding"))
    )
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls"), "KUN_6TO4_CONF": "",
        "LOCAL": "10.1.1.2", "MTU": "8800", "KEEP_S": "0.1",
    }  # fmt: skip
    process = subprocess.Popen(
        ["sh", str(script), "keep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.terminate()
    out, err = process.communicate(timeout=10)
    return out, err, process.returncode, (tmp_path / "calls").read_text().splitlines()


WELL = """5: kun6to4@NONE: <NOARP,UP,LOWER_UP> mtu 8800 qdisc noqueue state UNKNOWN mode DEFAULT
kun6to4: ipv6/ip remote any local 10.1.1.2 ttl 64
2002::/16 dev kun6to4 metric 1024"""


def test_a_container_keeps_the_tunnel_and_leaves_it_up(tmp_path: Path) -> None:
    out, err, code, calls = kept(tmp_path, WELL, 2.0)
    assert (code, err) == (0, "")
    assert "2002:0a01:0102::/48, MTU 8800" in out
    assert sum("addr replace" in call for call in calls) == 1
    assert not any("tunnel del" in call for call in calls)


@pytest.mark.parametrize(
    "fault",
    [
        ("mtu 8800", "mtu 1480"),
        ("UP,", ""),
        ("local 10.1.1.2", "local 10.9.9.9"),
        ("dev kun6to4 metric", "dev eth0 metric"),
    ],
)
def test_a_container_repairs_what_was_changed(tmp_path: Path, fault: tuple[str, str]) -> None:
    _, err, _, calls = kept(tmp_path, WELL.replace(*fault).replace("LOWER_UP", "LOWER"), 2.0)
    assert "repairing it" in err
    assert sum("addr replace" in call for call in calls) > 1
