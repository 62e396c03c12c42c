"""The BGP speakers we know, and where each has what belongs to it unless the file says otherwise."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpeakerKind:
    """`api`: its control socket; `daemon_file`: its configuration, where we write it; `paths_file`: of our paths, for
    a speaker that reads them from a file; "": it does not.

    `daemon`, `unit`: what runs; `command`, `package`: what a person asks it with, and what brings that. The rest are
    commands and lines that mend something.
    """

    name: str
    title: str
    api: str
    daemon_file: str
    paths_file: str
    daemon: str
    unit: str
    command: str
    package: str
    own_configuration: str
    ask_neighbours: str
    reload: str
    no_graceful_restart: str
    with_bfd: str
    group: str = ""

    @property
    def needs_command(self) -> bool:
        """Whether we ask it by its command as well."""
        return self.name == "frr"


GOBGP = SpeakerKind(
    name="gobgp",
    title="GoBGP",
    api="unix:///run/gobgpd/api.sock",
    daemon_file="/etc/kun/gobgpd.conf",
    paths_file="",
    daemon="gobgpd",
    unit="kun-gobgpd",
    command="gobgp",
    package="gobgpd",
    own_configuration="gobgpd.conf",
    ask_neighbours="gobgp --target unix:///run/gobgpd/api.sock neighbor",
    reload="systemctl reload kun-gobgpd",
    no_graceful_restart=(
        "[neighbors.graceful-restart.config] enabled = false in gobgpd.conf, `systemctl restart kun-gobgpd`"
    ),
    with_bfd="[neighbors.bfd.config] enabled = true in gobgpd.conf (GoBGP 4.6 and later), or speaker frr or bird",
)
FRR = SpeakerKind(
    name="frr",
    title="FRR",
    api="unix:///run/frr",
    daemon_file="/etc/kun/frr.conf",
    paths_file="",
    daemon="bgpd",
    unit="frr",
    command="vtysh",
    package="frr",
    own_configuration="frr.conf",
    ask_neighbours="vtysh -c 'show bgp neighbors'",
    reload="systemctl reload frr",
    no_graceful_restart="`bgp graceful-restart-disable` below `router bgp` in frr.conf, `systemctl restart frr`",
    with_bfd="bfdd=yes in /etc/frr/daemons, `neighbor ADDRESS bfd` in frr.conf, and BFD on the router",
    group="frrvty",
)
BIRD = SpeakerKind(
    name="bird",
    title="BIRD",
    api="unix:///run/bird/bird.ctl",
    daemon_file="/etc/kun/bird.conf",
    paths_file="/run/kun-nat64/bird.conf",
    daemon="bird",
    unit="bird",
    command="birdc",
    package="bird2",
    own_configuration="bird.conf",
    ask_neighbours="birdc show protocols all",
    reload="birdc configure",
    no_graceful_restart="`graceful restart off;` in the bgp protocol of bird.conf, `birdc configure`",
    with_bfd="`protocol bfd` and `bfd on;` in the bgp protocol of bird.conf, and BFD on the router",
    group="bird",
)
SPEAKERS = {kind.name: kind for kind in (GOBGP, FRR, BIRD)}
# Names of earlier versions, and what they mean now.
OLD_SPEAKERS = {"gobgp-cli": "gobgp"}
