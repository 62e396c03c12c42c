"""Which programs run on which host. The command lines are those of the shipped systemd units."""

from dataclasses import dataclass

from lab.topology import Host, Topology


@dataclass(frozen=True, slots=True)
class Service:
    """A program that runs until it is stopped; `prepare` is a shell command that has to succeed before it starts."""

    name: str
    argv: tuple[str, ...]
    prepare: str = ""

    @property
    def command(self) -> tuple[str, ...]:
        if not self.prepare:
            return self.argv
        return ("/bin/sh", "-c", f'{self.prepare} && exec "$0" "$@"', *self.argv)


GOBGPD = Service(
    "gobgpd",
    (
        *("/usr/bin/gobgpd", "-f", "/etc/kun/gobgpd.conf", "--log-plain", "--pprof-disable"),
        *("--api-hosts", "unix:///run/gobgpd/api.sock"),
    ),
    "mkdir -p /run/gobgpd && rm -f /run/gobgpd/api.sock",
)
NAT64 = Service(
    "kun-nat64",
    ("/usr/local/bin/kun-nat64", "run", "--config", "/etc/kun/kun-nat64.toml"),
    "mkdir -p /run/kun-nat64 /var/lib/kun-nat64 /var/log/kun-nat64"
    " && sh /opt/lab/gateway-config/systemd/kun-nat64-unit prepare",
)
DNS64 = Service("kun-dns64", ("/usr/local/bin/kun-dns64", "serve", "--config", "/etc/kun/kun-dns64.toml"))


def _of_frr(daemon: str, *options: str) -> Service:
    """Start a daemon of FRR as frr.service does: without a file; then vtysh loads its part of frr.conf."""
    give = f"vtysh -d {daemon} -f /etc/frr/frr.conf"
    return Service(
        daemon,
        (f"/usr/lib/frr/{daemon}", "-f", "/dev/null", "--log", "stdout", *options),
        f"mkdir -p /run/frr && chown frr:frr /run/frr && rm -f /run/frr/{daemon}.vty"
        f" && {{ (until {give}; do sleep 0.3; done) >/run/frr/{daemon}.given 2>&1 </dev/null & }}",
    )


# FRR 8 has none.
_MGMTD = Service(
    "mgmtd",
    ("/bin/sh", "-c", "test -x $0 || exec sleep infinity; exec $0 --log stdout", "/usr/lib/frr/mgmtd"),
    "mkdir -p /run/frr && chown frr:frr /run/frr",
)
FRR = (_MGMTD, _of_frr("zebra"), _of_frr("bfdd"), _of_frr("bgpd", "-A", "127.0.0.1", "-p", "0"))
GATEWAYS_BIRD = Service(
    "bird",
    ("/usr/sbin/bird", "-f", "-c", "/etc/bird/kun-gateway.conf", "-s", "/run/bird/bird.ctl"),
    "mkdir -p /run/bird",
)
SPEAKERS = {"gobgp": (GOBGPD,), "frr": FRR, "bird": (GATEWAYS_BIRD,)}
BIRD = Service("bird", ("/usr/sbin/bird", "-f", "-c", "/etc/bird/kun-tor.conf", "-s", "/run/bird.ctl"))
NSD = Service("nsd", ("/usr/sbin/nsd", "-d", "-c", "/etc/nsd/nsd.conf"))

_SETTINGS = {"tor": "60-kun-tor.conf"}


def services_of(topology: Topology, host: Host) -> tuple[Service, ...]:
    if host.name == "internet":
        servers = (topology.web_server, topology.ping_server, "2001:db8:80::80")
        return (NSD, Service("internet", ("/usr/bin/python3", "-IS", "/opt/lab/internet.py", *servers)))
    if host.name in {gateway.name for gateway in topology.gateways}:
        return (*SPEAKERS[topology.gateway(host.name).speaker], NAT64)
    return {"tor": (BIRD,), "dns": (DNS64,)}.get(host.name, ())


def preparations(topology: Topology, host: Host) -> str:
    """Shell commands that make the host what its role needs before a program starts; "" if it needs nothing."""
    commands = []
    if host.sixto4:
        commands.append("sh /opt/lab/gateway-config/node/kun-6to4 up")
    settings = "60-kun-nat64.conf" if host.name in {g.name for g in topology.gateways} else _SETTINGS.get(host.name)
    if settings:
        # -e: some settings exist once per machine only, and not in a network namespace.
        commands.append(f"sysctl -qe -p /etc/sysctl.d/{settings}")
    if topology.native and host.name == "node":
        commands.append("sysctl -qw net.ipv6.conf.all.forwarding=1")
    if host.name == "internet":
        commands.append("sysctl -qw net.ipv4.ip_forward=1")
    return " && ".join(commands)
