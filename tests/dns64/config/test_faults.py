"""All errors in one run, and none that is only another's shadow: over several keys, flags, and files that are named."""

from pathlib import Path

import pytest

from kun_base.errors import ConfigError
from kun_dns64.config.flags import Flags
from kun_dns64.config.load import load

from .reading import UPSTREAM, faults_of, settings_of

WRONG_TOGETHER = {
    "client-without-networks": (
        '[[client]]\nnetworks = ["x"]\npool = "b"',
        ["client[0].name", "client[0].networks[0] = 'x'", "client[0].pool = 'b'"],
    ),
    "pool-without-name": (
        '[[pool]]\nvip = "10.0.0.1"\nservers = ["udp://127.0.0.1:5353"]\nfallback = "x"',
        ["pool[0].name", "pool[0].vip = '10.0.0.1'", "pool[0].servers[0] = 'udp://127.0.0.1:5353'"],
    ),
    "a-table-that-is-none": (
        'pool = [{ name = "a", vip = "203.0.113.1" }, 5, { name = "a", vip = "10.0.0.1" }]',
        ["pool[1] = 5", "pool[2].vip = '10.0.0.1'", "pool[2].name = 'a'"],
    ),
    "zone-without-suffix": (
        '[[zone]]\ndns64 = "x"\nservers = ["udp://127.0.0.1:5353", "y"]',
        ["zone[0].suffix", "zone[0].dns64 = 'x'", "zone[0].servers[1] = 'y'", "zone[0].servers[0]"],
    ),
    "certificate-without-key": (
        '[server.tls]\ncertificate = "none"\nlisten = ["127.0.0.1:5353"]',
        ["server.tls.key", "server.tls.listen[0] = '127.0.0.1:5353'", "server.tls.certificate = 'none'"],
    ),
}


@pytest.mark.parametrize(("text", "told"), WRONG_TOGETHER.values(), ids=WRONG_TOGETHER)
def test_a_table_that_lacks_something_is_checked_as_far_as_it_goes(tmp_path: Path, text: str, told: list[str]) -> None:
    faults = faults_of(tmp_path, f"{text}\n{UPSTREAM}")
    assert [fault[: len(start)] for fault, start in zip(faults, told, strict=True)] == told


WRONG_ONCE = {
    "vip-of-a-pool": '[[pool]]\nname = "a"\nvip = "203.0.113.9"\n[[pool]]\nname = "b"\nvip = "2001:db8::1"',
    "prefix-of-a-pool": '[[pool]]\nname = "a"\nprefixes = ["x"]',
    "vip-beside-prefixes": '[dns64]\nvip = "x"\nprefixes = ["2001:db8::/96"]',
    "name-of-a-pool": '[[pool]]\nname = 5\nvip = "203.0.113.9"\n[[client]]\nname="c"\nnetworks=["::/0"]\npool = "5"',
    "insisting": '[dns64]\nvip = "10.0.0.1"\nallow_nonglobal_vip = "yes"',
    "budget": "[server]\nbudget_s = 100\n[upstream]\nservers = ['udp://192.0.2.53']\nstagger_ms = 2000",
    "limit": '[server]\ntcp_max_connections = "5000"\ntcp_max_per_client = 2000',
    "listen-and-upstream": '[server]\nlisten = ["x"]\n[upstream]\nservers = ["udp://127.0.0.1:5353"]',
    "listen-and-admin": '[server]\nlisten = "127.0.0.1:53"\n[admin]\nlisten = "127.0.0.1:5353"',
    "pools": "pool = 5\n[[client]]\nname = 'c'\nnetworks = ['::/0']\npool = 'a'",
}


@pytest.mark.parametrize("text", WRONG_ONCE.values(), ids=WRONG_ONCE)
def test_one_wrong_value_is_one_error(tmp_path: Path, text: str) -> None:
    more = "" if "[upstream]" in text else UPSTREAM
    assert len(faults_of(tmp_path, f"{text}\n{more}")) == 1


def test_bad_lines_of_a_domain_file_are_told_with_key_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("good.example\n")
    (tmp_path / "list.txt").write_text("good.example\nbad..example\ntwo words\n")
    text = f'{UPSTREAM}[[pool]]\nname="o"\nvip="203.0.113.1"\ndomain_files=["good.txt", "list.txt"]'
    faults = faults_of(tmp_path, text)
    assert len(faults) == 2
    assert faults[0].startswith("pool[0].domain_files[1] = 'list.txt': line 2 = 'bad..example': a label has 1 to 63")
    assert faults[1].startswith("pool[0].domain_files[1] = 'list.txt': line 3 = 'two words': one suffix a line")


def test_what_a_domain_file_holds_cannot_steer_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\x1b[2Jevil.example\nb\xff.example\n*.\x1b]0;owned\x07.example\n")
    with pytest.raises(ConfigError) as caught:
        settings_of(tmp_path, f'{UPSTREAM}[[pool]]\nname="o"\nvip="203.0.113.1"\ndomain_files=["list.txt"]')
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/kun-dns64.toml: 3 errors\n")
    assert "'\\x1b[2Jevil.example'" in told
    assert told.replace("\n", "").isprintable()


def test_lines_of_domain_files_are_judged_beside_all_other_errors(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("bad..example\n")
    faults = faults_of(
        tmp_path,
        f"""
        {UPSTREAM}
        [server]
        workers = -1
        [[pool]]
        vip = "203.0.113.1"
        domains = ["worse..example"]
        domain_files = ["list.txt", "none.txt", 5]
        """,
    )
    assert [fault.partition(":")[0] for fault in faults] == [
        "server.workers = -1",
        "pool[0].name",
        "pool[0].domain_files[2] = 5",
        "pool[0].domains[0] = 'worse..example'",
        "pool[0].domain_files[1] = 'none.txt'",
        "pool[0].domain_files[0] = 'list.txt'",
    ]


def test_a_fault_in_a_flag_names_the_flag(tmp_path: Path) -> None:
    flags = Flags(listen=("nowhere",), upstream=("udp://192.0.2.53", "x"), vip="10.0.0.1", workers="abc")
    faults = faults_of(tmp_path, "", flags)
    assert [fault.split(" ")[0] for fault in faults] == ["--listen", "--workers", "--upstream", "--vip"]
    assert faults[1] == "--workers = 'abc': must be an integer"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (Flags(vip="203.0.113.1", prefix=("2001:db8::/96",)), "--vip = '203.0.113.1': excludes --prefix: "),
        (Flags(workers="-1"), "--workers = -1: must be 0 or more"),
        (Flags(workers="1.5"), "--workers = '1.5': must be an integer"),
        (Flags(admin="127.0.0.1:5353"), "--admin = '127.0.0.1:5353': is taken by DNS"),
    ],
    ids=["vip-and-prefix", "negative", "no-integer", "admin"],
)
def test_a_fault_that_speaks_of_flags_calls_them_by_their_names(tmp_path: Path, flags: Flags, told: str) -> None:
    (fault,) = faults_of(tmp_path, UPSTREAM, flags)
    assert fault.startswith(told)


PLACES = {
    "pool[0].domain_files[0]": '[[pool]]\nname = "a"\nvip = "203.0.113.2"\ndomain_files = [PLACE]',
    "server.cookie_secret_file": "[server]\ncookie_secret_file = PLACE",
    "server.tls.key": '[server.tls]\ncertificate = ""\nkey = PLACE',
    "upstream.ca_file": "upstream.ca_file = PLACE",
    "dnstap.file": "[dnstap]\nfile = PLACE",
}


@pytest.mark.parametrize("key", PLACES)
def test_no_place_has_an_byte_that_no_system_call_takes(tmp_path: Path, key: str) -> None:
    faults = faults_of(tmp_path, PLACES[key].replace("PLACE", '"/x\\u0000y"') + "\n[dns64]\nvip = '203.0.113.1'")
    assert f"{key} = '/x\\x00y': must not have control characters in it" in faults


def test_a_domain_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    longest = ".".join(("a" * 63, "b" * 63, "c" * 63, "d" * 61))
    text = f'[[pool]]\nname = "a"\nvip = "203.0.113.2"\ndomains = ["{longest}"]\n[[zone]]\nsuffix = "{longest}"\n'
    assert settings_of(tmp_path, f"{text}{UPSTREAM}").rules.pools


def test_what_is_wrong_in_files_of_networks_is_told_by_line(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("10.0.0.0/8 # good\n\n10.0.0.1/8\nnonsense\n2001:db8::/129\n")
    config = tmp_path / "c.toml"
    clients = (
        'name = "a"\nnetwork_files = ["bad.txt", "gone.txt"]',
        'name = "b"',
        'name = "c"\nnetworks = ["10.0.0.0/8"]\ndomains = ["x.example"]',
    )
    config.write_text(
        '[upstream]\nservers = ["udp://127.0.0.1:5300"]\n' + "".join(f"[[client]]\n{c}\n" for c in clients)
    )
    with pytest.raises(ConfigError) as error:
        load(config)
    told = "\n".join(str(fault) for fault in error.value.faults)
    lines = ("line 3: '10.0.0.1/8'", "line 4: 'nonsense'", "line 5: '2001:db8::/129'", "gone.txt")
    for words in (*lines, "client[1].networks", "client[2].domains"):
        assert words in told, told
