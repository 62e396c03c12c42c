"""The configuration file: defaults, every fault in one run, flags, and the shipped example."""

import os
from pathlib import Path

import pytest

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.config.flags import Flags

from .reading import UPSTREAM, faults_of, settings_of

BAD = {
    "soa-mname-empty": ('[dns64]\nsoa_mname = ""', "dns64.soa_mname", "ns.example.org"),
    "soa-mname-label": ('[dns64]\nsoa_mname = "a..b"', "dns64.soa_mname", "RFC 1035"),
    "soa-rname-empty": ('[dns64]\nsoa_rname = ""', "dns64.soa_rname", "hostmaster@example.org"),
    "soa-rname-label": ('[dns64]\nsoa_rname = "a@b..c"', "dns64.soa_rname", "RFC 1035"),
    "dnstap-no-folder": ('[dnstap]\nfile = "none/tap"', "dnstap.file", "folder does not exist"),
    "dnstap-folder": ('[dnstap]\nfile = "."', "dnstap.file", "is a folder"),
    "dnstap-socket-no-folder": ('[dnstap]\nsocket = "none/s"', "dnstap.socket", "folder does not exist"),
    "dnstap-socket-long": (f'[dnstap]\nsocket = "{"s" * 108}"', "dnstap.socket", "unix(7)"),
    "dnstap-queue": ("[dnstap]\nqueue_bytes = 0", "dnstap.queue_bytes", "65536"),
    "dnstap-unknown": ('[dnstap]\nsockets = "s"', "dnstap.sockets", "socket"),
    "prefix-of-length-0": ('[dns64]\nprefixes = ["::/0"]', "dns64.prefixes[0]", "::/0"),
    "prefix-33": ('[dns64]\nprefixes = ["2001:db8::/33"]', "dns64.prefixes[0]", "/96"),
    "prefix-72": ('[dns64]\nprefixes = ["2001:db8::/72"]', "dns64.prefixes[0]", "RFC 6052"),
    "prefix-97": ('[dns64]\nprefixes = ["2001:db8::/97"]', "dns64.prefixes[0]", "RFC 6052"),
    "prefix-u-octet": ('[dns64]\nprefixes = ["2001:db8:0:0:ff00::/96"]', "dns64.prefixes[0]", "bits 64 to 71"),
    "prefix-host-bits": ('[dns64]\nprefixes = ["2002:c633:6440::1/96"]', "dns64.prefixes[0]", "host bits"),
    "prefix-ipv4": ('[dns64]\nprefixes = ["10.0.0.0/8"]', "dns64.prefixes[0]", "IPv6"),
    "prefix-no-length": ('[dns64]\nprefixes = ["2001:db8::"]', "dns64.prefixes[0]", "/96"),
    "prefix-mapped": ('[dns64]\nprefixes = ["::ffff:0:0/96"]', "dns64.prefixes[0]", "IPv4-mapped"),
    "prefix-compatible": ('[dns64]\nprefixes = ["::/96"]', "dns64.prefixes[0]", "RFC 4291"),
    "prefix-link-local": ('[dns64]\nprefixes = ["fe80::/64"]', "dns64.prefixes[0]", "link-local"),
    "prefix-multicast": ('[[pool]]\nname="o"\nprefixes = ["ff0e::/96"]', "pool[0].prefixes[0]", "multicast"),
    "prefix-of-a-private-vip": ('[dns64]\nprefixes = ["2002:a00:1::/96"]', "dns64.prefixes[0]", "10.0.0.1"),
    "map-of-a-private-vip": (
        '[dns64]\nmap = [{ ipv4 = "10.0.0.0/8", prefix = "2002:a00:1::/96" }]',
        "dns64.map[0].prefix",
        "RFC 3056",
    ),
    "pool-default": ('[[pool]]\nname="default"\nvip="203.0.113.1"', "pool[0].name", "fallback"),
    "zone-url": ('[[zone]]\nsuffix = "http://a.example/"', "zone[0].suffix", "':'"),
    "zone-blank": ('[[zone]]\nsuffix = "a.example "', "zone[0].suffix", "' '"),
    "zone-asterisk-inside": ('[[zone]]\nsuffix = "a.*.example"', "zone[0].suffix", "'*'"),
    "soa-rname-half": ('[dns64]\nsoa_rname = "hostmaster@"', "dns64.soa_rname", "hostmaster@example.org"),
    "status-url-port": ('[dns64]\ngateway_status = ["http://192.0.2.1:99999/"]', "dns64.gateway_status[0]", "URL"),
    "status-url-bracket": ('[dns64]\ngateway_status = ["http://[::1/"]', "dns64.gateway_status[0]", "URL"),
    "listen-behind-bracket": ('[server]\nlisten = ["[::1]53"]', "server.listen[0]", "[::1]:5353"),
    "listen-open-bracket": ('[server]\nlisten = ["[::1:53"]', "server.listen[0]", "brackets"),
    "upstream-empty-name": ('[upstream]\nservers = ["tls://192.0.2.53@"]', "upstream.servers[0]", "@dns.example"),
    "upstream-name-blank": ('[upstream]\nservers = ["tls://192.0.2.53@a b"]', "upstream.servers[0]", "@dns.example"),
    "upstream-name-empty-label": (
        '[upstream]\nservers = ["tls://192.0.2.53@a..b"]',
        "upstream.servers[0]",
        "@dns.example",
    ),
    "upstream-name-long-label": (
        f'[upstream]\nservers = ["tls://192.0.2.53@{"a" * 64}.example"]',
        "upstream.servers[0]",
        "@dns.example",
    ),
    "upstream-link-local": ('[upstream]\nservers = ["udp://[fe80::2]"]', "upstream.servers[0]", "fe80::1%eth0"),
    "upstream-mapped": ('[upstream]\nservers = ["udp://[::ffff:192.0.2.1]"]', "upstream.servers[0]", "write 192.0.2.1"),
    "listen-link-local": ('[server]\nlisten = ["[fe80::1]:5353"]', "server.listen[0]", "fe80::1%eth0"),
    "admin-link-local": ('[admin]\nlisten = "[fe80::1]:9464"', "admin.listen", "fe80::1%eth0"),
    "upstream-no-path": ('[upstream]\nservers = ["https://192.0.2.53"]', "upstream.servers[0]", "/dns-query"),
    "admin-on-dns-port": ('[admin]\nlisten = "127.0.0.1:5353"', "admin.listen", "another port"),
    "admin-on-dns-wildcard": (
        '[server]\nlisten = ["0.0.0.0:5353"]\n[admin]\nlisten = "127.0.0.1:5353"',
        "admin.listen",
        "another port",
    ),
    "vip-private": ('[dns64]\nvip = "10.0.0.1"', "dns64.vip", "allow_nonglobal_vip"),
    "vip-loopback": ('[dns64]\nvip = "127.0.0.1"', "dns64.vip", "RFC 3056"),
    "vip-relay-anycast": ('[dns64]\nvip = "192.88.99.1"', "dns64.vip", "RFC 3056"),
    "vip-multicast": ('[dns64]\nvip = "224.0.0.1"', "dns64.vip", "RFC 3056"),
    "vip-shared": ('[dns64]\nvip = "100.64.0.1"', "dns64.vip", "RFC 3056"),
    "vip-ipv6": ('[dns64]\nvip = "2001:db8::1"', "dns64.vip", "IPv4"),
    "vip-and-prefixes": ('[dns64]\nvip = "203.0.113.1"\nprefixes = ["2001:db8::/96"]', "dns64.vip", "one of the two"),
    "pool-without-exit": ('[[pool]]\nname = "o"', "pool[0]", "vip"),
    "pool-twice": (
        '[[pool]]\nname="o"\nvip="203.0.113.1"\n[[pool]]\nname="o"\nvip="203.0.113.2"',
        "pool[1].name",
        "twice",
    ),
    "pool-unknown-in-client": (
        '[[pool]]\nname="overseas"\nvip="203.0.113.1"\n[[client]]\nname="c"\nnetworks=["10.0.0.0/8"]\npool="oversees"',
        "client[0].pool",
        "did you mean 'overseas'",
    ),
    "pool-fallback-unknown": (
        '[[pool]]\nname="o"\nvip="203.0.113.1"\nfallback="x"',
        "pool[0].fallback",
        "unknown pool",
    ),
    "pool-fallback-itself": ('[[pool]]\nname="o"\nvip="203.0.113.1"\nfallback="o"', "pool[0].fallback", "itself"),
    "pool-domain-of-two": (
        '[[pool]]\nname="a"\nvip="203.0.113.1"\ndomains=["x.org"]\n[[pool]]\nname="b"\nvip="203.0.113.2"\ndomains=["X.org."]',
        "pool[1].domains[0]",
        "'a'",
    ),
    "domain-file-missing": (
        '[[pool]]\nname="o"\nvip="203.0.113.1"\ndomain_files=["none.txt"]',
        "pool[0].domain_files[0]",
        "cannot be read",
    ),
    "zone-twice": ('[[zone]]\nsuffix="a.b"\n[[zone]]\nsuffix="A.B."', "zone[1].suffix", "twice"),
    "zone-asterisk": ('[[zone]]\nsuffix="*.a.b"', "zone[0].suffix", "'a.b'"),
    "zone-mode": ('[[zone]]\nsuffix="a"\ndns64="sometimes"', "zone[0].dns64", "'never'"),
    "zone-empty-label": ('[[zone]]\nsuffix="a..b"', "zone[0].suffix", "label"),
    "acl-host-bits": ('[server]\nallow_clients=["10.0.0.1/8"]', "server.allow_clients[0]", "10.0.0.0/8"),
    "acl-nonsense": ('[[client]]\nname="c"\nnetworks=["ten"]', "client[0].networks[0]", "10.0.0.0/8"),
    "exclude-ipv4": ('[dns64]\nexclude_aaaa=["10.0.0.0/8"]', "dns64.exclude_aaaa[0]", "IPv6"),
    "map-ipv6": ('[dns64]\nmap=[{ipv4="2001:db8::/32",prefix="none"}]', "dns64.map[0].ipv4", "IPv4"),
    "map-twice": (
        '[dns64]\nmap=[{ipv4="10.0.0.0/8",prefix="none"},{ipv4="10.0.0.0/8",prefix="2001:db8::/96"}]',
        "dns64.map[1].ipv4",
        "twice",
    ),
    "listen-no-port": ('[server]\nlisten=["127.0.0.1"]', "server.listen[0]", "127.0.0.1:5353"),
    "listen-name": ('[server]\nlisten=["localhost:53"]', "server.listen[0]", "127.0.0.1:5353"),
    "listen-port-range": ('[server]\nlisten=["127.0.0.1:65536"]', "server.listen[0]", "65536"),
    "listen-twice": ('[server]\nlisten=["127.0.0.1:53","127.0.0.1:53"]', "server.listen[1]", "twice"),
    "listen-none": ("[server]\nlisten=[]", "server.listen", "at least 1"),
    "upstream-scheme": ('[upstream]\nservers=["192.0.2.53"]', "upstream.servers[0]", "udp://"),
    "upstream-name": ('[upstream]\nservers=["udp://dns.example"]', "upstream.servers[0]", "not a name"),
    "upstream-udp-with-name": ('[upstream]\nservers=["udp://192.0.2.53@x"]', "upstream.servers[0]", "tls://"),
    "upstream-loop": (
        '[server]\nlisten=["127.0.0.1:5399"]\n[upstream]\nservers=["udp://127.0.0.1:5399"]',
        "upstream.servers[0]",
        "loop",
    ),
    "upstream-loop-wildcard": (
        '[server]\nlisten=["0.0.0.0:5399"]\n[[zone]]\nsuffix="x"\nservers=["tcp://127.0.0.9:5399"]',
        "zone[0].servers[0]",
        "loop",
    ),
    "stagger-beyond-budget": ("[upstream]\nstagger_ms=2000", "upstream.stagger_ms", "budget_s"),
    "text-for-number": ('[server]\nworkers="4"', "server.workers", "integer"),
    "number-for-text": ("[admin]\nlisten=9464", "admin.listen", "text in quotes"),
    "unknown-key": ("[server]\nlissten=[]", "server.lissten", "did you mean 'listen'"),
    "unknown-section": ("[sever]\n", "sever", "did you mean 'server'"),
    "tls-without-key": ('[server.tls]\ncertificate="kun-dns64.toml"', "server.tls.key", "required"),
    "tls-files-missing": ('[server.tls]\ncertificate="a"\nkey="b"', "server.tls.certificate", "cannot be read"),
    "cookie-file-missing": ('[server]\ncookie_secret_file="c"', "server.cookie_secret_file", "cannot be read"),
    "status-url": ('[dns64]\ngateway_status=["10.0.0.1"]', "dns64.gateway_status[0]", "http://"),
}


@pytest.mark.parametrize(("text", "where", "hint"), BAD.values(), ids=BAD)
def test_a_bad_value_is_refused_with_its_key_and_what_would_be_right(
    tmp_path: Path, text: str, where: str, hint: str
) -> None:
    faults = faults_of(tmp_path, text if "[upstream]" in text else f"{UPSTREAM}{text}")
    assert len(faults) == 1 or where == "server.tls.certificate", faults
    assert faults[0].startswith(where)
    assert hint in faults[0]


def test_all_faults_are_told_in_one_run(tmp_path: Path) -> None:
    faults = faults_of(
        tmp_path,
        """
        [server]
        budget_s = "long"
        wrkers = 2
        [upstream]
        servers = ["ftp://192.0.2.53"]
        [dns64]
        vip = "10.0.0.1"
        [[pool]]
        name = "o"
        vip = "203.0.113.9"
        domain_files = ["none.txt"]
        [[client]]
        name = "c"
        networks = ["10.0.0.0/8"]
        pool = "p"
        """,
    )
    assert [fault.split(" = ")[0].split(":")[0] for fault in faults] == [
        "server.budget_s",
        "server.wrkers",
        "upstream.servers[0]",
        "dns64.vip",
        "client[0].pool",
        "pool[0].domain_files[0]",
    ]


@pytest.mark.parametrize("vip", ["198.51.100.64", "203.0.113.1", "192.0.2.1", "8.8.8.8"])
def test_global_and_documentation_vips_pass(tmp_path: Path, vip: str) -> None:
    assert settings_of(tmp_path, f'{UPSTREAM}[dns64]\nvip = "{vip}"').rules.prefixes[0].network.prefixlen == 96


def test_a_private_vip_passes_where_the_operator_insists(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, f'{UPSTREAM}[dns64]\nvip = "10.0.0.1"\nallow_nonglobal_vip = true')
    assert str(settings.rules.prefixes[0]) == "2002:a00:1::/96"


def test_without_vip_and_prefixes_the_well_known_prefix_is_used(tmp_path: Path) -> None:
    assert [str(prefix) for prefix in settings_of(tmp_path, UPSTREAM).rules.prefixes] == ["64:ff9b::/96"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("udp://127.0.0.1:5300", "udp://127.0.0.1:5300"),
        ("udp://192.0.2.53:53", "udp://192.0.2.53"),
        ("tcp://[2001:db8::53]:5300", "tcp://[2001:db8::53]:5300"),
        ("udp://[fe80::2%eth0]", "udp://[fe80::2%eth0]"),
        ("tls://192.0.2.53@dns.example", "tls://192.0.2.53@dns.example"),
        ("tls://192.0.2.53@dns.example.", "tls://192.0.2.53@dns.example"),
        ("tls://[2001:db8::53]:8853@dns.example", "tls://[2001:db8::53]:8853@dns.example"),
        ("https://192.0.2.53/dns-query@dns.example", "https://192.0.2.53/dns-query@dns.example"),
    ],
)
def test_upstream_urls_are_read_and_printed_back(tmp_path: Path, text: str, shown: str) -> None:
    settings = settings_of(tmp_path, f'[upstream]\nservers = ["{text}"]')
    assert [str(server) for server in settings.groups[""]] == [shown]


@pytest.mark.parametrize(
    ("text", "certificate", "host"),
    [
        ("https://192.0.2.53/dns-query", "192.0.2.53", "192.0.2.53"),
        ("https://192.0.2.53:8443/dns-query", "192.0.2.53", "192.0.2.53:8443"),
        ("https://192.0.2.53/dns-query@dns.example", "dns.example", "dns.example"),
        ("https://192.0.2.53:8443/dns-query@dns.example", "dns.example", "dns.example:8443"),
        ("https://[2001:db8::53]/dns-query", "2001:db8::53", "[2001:db8::53]"),
        ("https://[2001:db8::53]:8443/dns-query", "2001:db8::53", "[2001:db8::53]:8443"),
        ("https://[fe80::53%eth0]/dns-query", "fe80::53", "[fe80::53]"),
    ],
)
def test_rfc9110_7_2_names_for_certificate_and_http(text: str, certificate: str, host: str) -> None:
    address = UpstreamAddress.parse(text)
    assert (address.server_name, address.authority) == (certificate, host)


def test_zones_and_pools_with_servers_get_groups_of_their_own(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        f"""{UPSTREAM}
        [[zone]]
        suffix = "Cluster.Local."
        dns64 = "never"
        servers = ["udp://192.0.2.10"]
        [[zone]]
        suffix = "example.org"
        [[pool]]
        name = "overseas"
        vip = "203.0.113.129"
        domains = ["example.net"]
        servers = ["tcp://192.0.2.53"]
        """,
    )
    first, second = settings.rules.zones
    assert first.suffix == b"\x07cluster\x05local\x00"
    assert [str(server) for server in settings.groups[first.group]] == ["udp://192.0.2.10"]
    assert second.group == ""
    assert [str(server) for server in settings.groups[settings.rules.pools[0].group]] == ["tcp://192.0.2.53"]
    assert settings.rules.pool_of is not None
    assert settings.rules.pool_of.find(b"\x03www\x07example\x03net\x00") == "overseas"


def test_relative_paths_are_below_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "list.txt").write_text("example.org\n# a comment\n\nexample.net # another\n")
    settings = settings_of(tmp_path, f'{UPSTREAM}[[pool]]\nname="o"\nvip="203.0.113.1"\ndomain_files=["list.txt"]')
    assert [look.path for look in settings.watched] == [tmp_path / "list.txt"]
    assert settings.rules.pool_of is not None
    assert settings.rules.pool_of.find(b"\x07example\x03net\x00") == "o"


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    flags = Flags(("127.0.0.1:5454",), ("udp://192.0.2.9",), "203.0.113.1", (), "1", "127.0.0.1:9999")
    settings = settings_of(tmp_path, f'{UPSTREAM}[dns64]\nprefixes = ["2001:db8::/96"]\n[server]\nworkers = 4', flags)
    assert [str(endpoint) for endpoint in settings.listen] == ["127.0.0.1:5454"]
    assert [str(server) for server in settings.groups[""]] == ["udp://192.0.2.9"]
    assert [str(prefix) for prefix in settings.rules.prefixes] == ["2002:cb00:7101::/96"]
    assert settings.workers == 1
    assert str(settings.admin) == "127.0.0.1:9999"


def test_of_the_default_addresses_the_second_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kun_dns64.config.resolve.is_local", lambda endpoint: False)
    written = '[server]\nlisten = ["127.0.0.1:5353", "[::1]:5353"]\n'
    for text in ("", written):
        settings = settings_of(tmp_path, UPSTREAM + text)
        assert [str(one) for one in settings.listen] == ["127.0.0.1:5353"]
        assert "no ::1" in settings.notices[0]
    settings = settings_of(tmp_path, UPSTREAM + '[server]\nlisten = ["[::1]:5353"]')
    assert [str(one) for one in settings.listen] == ["[::1]:5353"], "it was asked for"


def test_the_soa_of_local_zones_is_the_operators(tmp_path: Path) -> None:
    text = f'{UPSTREAM}[dns64]\nsoa_mname = "ns.example.org."\nsoa_rname = "dns.team@example.org"'
    rules = settings_of(tmp_path, text).rules
    assert rules.local_mname == b"\x02ns\x07example\x03org\x00"
    assert rules.local_rname == b"\x08dns.team\x07example\x03org\x00", "a dot before the @ is no label's end"
    assert settings_of(tmp_path, UPSTREAM).rules.local_rname == b"\x06nobody\x07invalid\x00"


def test_dnstap_is_off_unless_it_has_somewhere_to_go(tmp_path: Path) -> None:
    assert settings_of(tmp_path, f"{UPSTREAM}[dnstap]\nclient = true").dnstap is None
    found = settings_of(tmp_path, f'{UPSTREAM}[dnstap]\nsocket = "s"\nidentity = "one"').dnstap
    assert found is not None
    assert (found.socket, found.file, found.identity) == (tmp_path / "s", None, b"one")


@pytest.mark.parametrize(("content", "good"), [("00" * 16, True), ("0" * 31, False), ("x" * 32, False)])
def test_the_cookie_secret_is_sixteen_bytes_in_hex(tmp_path: Path, content: str, good: bool) -> None:
    (tmp_path / "secret").write_text(content + "\n")
    text = f'{UPSTREAM}[server]\ncookie_secret_file = "secret"'
    if good:
        assert settings_of(tmp_path, text).cookie_secret == bytes(16)
    else:
        assert "openssl rand -hex 16" in faults_of(tmp_path, text)[0]


@pytest.mark.parametrize("text", ["tls://192.0.2.53@dns.example", "https://192.0.2.53/", "udp://2001:db8::53"])
def test_an_upstream_is_taken_as_written(tmp_path: Path, text: str) -> None:
    assert settings_of(tmp_path, f'[upstream]\nservers = ["{text}"]').groups[""]


def test_escapes_and_slashes_are_for_names_that_mean_it(tmp_path: Path) -> None:
    names = r"""['a\.b.example', '0/25.2.0.192.in-addr.arpa', '_tcp.example', 'a\032b.example']"""
    text = f'{UPSTREAM}[[pool]]\nname = "o"\nvip = "203.0.113.1"\ndomains = {names}'
    table = settings_of(tmp_path, text).rules.pool_of
    assert table is not None
    assert table.find(b"\x03a b\x07example\x00") == "o"


def test_escapes_in_a_key_mean_what_they_say(tmp_path: Path) -> None:
    """In a line of a domain file # begins a comment and a blank ends the suffix."""
    names = r"""['a\#b.example', 'a\ c.example', 'a\\d.example']"""
    text = f'{UPSTREAM}[[pool]]\nname = "o"\nvip = "203.0.113.1"\ndomains = {names}'
    table = settings_of(tmp_path, text).rules.pool_of
    assert table is not None
    for label in (b"a#b", b"a c", b"a\\d"):
        assert table.find(bytes([len(label)]) + label + b"\x07example\x00") == "o", label


def test_a_byte_order_mark_is_stepped_over(tmp_path: Path) -> None:
    (tmp_path / "domains").write_bytes(b"\xef\xbb\xbfa.example\r\n")
    text = f'\ufeff{UPSTREAM}[[pool]]\nname = "o"\nvip = "203.0.113.1"\ndomain_files = ["domains"]'
    table = settings_of(tmp_path, text).rules.pool_of
    assert table is not None
    assert table.find(b"\x01a\x07example\x00") == "o"


def test_a_prefix_of_a_private_vip_is_admitted_where_the_vip_is(tmp_path: Path) -> None:
    text = f'{UPSTREAM}[dns64]\nallow_nonglobal_vip = true\nprefixes = ["2002:a00:1::/96"]'
    assert [str(prefix) for prefix in settings_of(tmp_path, text).rules.prefixes] == ["2002:a00:1::/96"]


def test_a_pipe_is_no_domain_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "domains")
    text = f'{UPSTREAM}[[pool]]\nname = "o"\nvip = "203.0.113.1"\ndomain_files = ["domains"]'
    assert "is a pipe" in faults_of(tmp_path, text)[0]
