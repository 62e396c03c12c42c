"""What `doctor` says of the BGP speaker, and which command mends it, for each of the speakers."""

from collections.abc import Iterator

from kun_nat64.model.errors import FailureKind
from kun_nat64.model.facts import Neighbour
from kun_nat64.model.inspection import Finding, Inspection, Level
from kun_nat64.model.speakers import BIRD, FRR, SPEAKERS, SpeakerKind
from kun_nat64.model.spec import AgentSpec, BgpSpec, Peer


def speaker_judged(found: Inspection, spec: AgentSpec) -> Iterator[Finding]:
    kind = SPEAKERS[spec.bgp.speaker]
    if found.neighbours is None:
        yield Finding(Level.BAD, "BGP", f"{kind.daemon} does not answer: {found.bgp_error}", _silent(found, kind))
        return
    states = {peer.address: peer for peer in found.neighbours}
    for wanted in spec.bgp.peers:
        yield from _peer(wanted, states.get(str(wanted.address)), spec.bgp, kind)


def _silent(found: Inspection, kind: SpeakerKind) -> str:
    """The command that lets it answer."""
    if found.bgp_failure is FailureKind.MISSING_TOOL:
        return f"`apt install {kind.package}`"
    if found.bgp_failure is FailureKind.PERMISSION and kind.group:
        return (
            f"run it with `sudo`; for the agent `systemctl edit kun-nat64`: [Service] SupplementaryGroups={kind.group}"
        )
    more = "; bgpd=yes in /etc/frr/daemons" if kind is FRR else ""
    return f"`systemctl start {kind.unit}`{more}; [bgp] api"


def _peer(wanted: Peer, peer: Neighbour | None, bgp: BgpSpec, kind: SpeakerKind) -> Iterator[Finding]:
    check = f"BGP {wanted.address}"
    if peer is None:
        words = f"{kind.daemon} does not know this peer"
        yield Finding(
            Level.BAD, check, words, f"add it to {kind.own_configuration}{_with_as(bgp, kind)}, `{kind.reload}`"
        )
        return
    if peer.local_as not in (None, bgp.local_as):
        words = f"{kind.daemon} is AS {peer.local_as}, [bgp] local_as is {bgp.local_as}"
        yield Finding(
            Level.BAD, check, words, f"the same AS in both: {_line_of_as(bgp, kind)} in {kind.own_configuration}"
        )
    if not peer.established:
        yield Finding(Level.BAD, check, f"the session is {peer.state}", f"`{_about(wanted, bgp, kind)}`; the other end")
    elif peer.restart_s:
        words = f"graceful restart keeps paths of a dead gateway for {peer.restart_s} s"
        yield Finding(Level.BAD, check, words, kind.no_graceful_restart)
    else:
        yield Finding(Level.GOOD, check, f"established, hold time {peer.hold_s} s")
    yield _bfd(wanted, peer, kind)


def _bfd(wanted: Peer, peer: Neighbour, kind: SpeakerKind) -> Finding:
    check = f"BFD {wanted.address}"
    if peer.bfd == "up":
        return Finding(Level.GOOD, check, "up")
    if peer.bfd:
        return Finding(
            Level.NOTE, check, f"is {peer.bfd}: a silent death is noticed by the hold time alone", kind.with_bfd
        )
    words = (
        f"none: a machine that dies silently is noticed when the hold time of {peer.hold_s or wanted.hold_s} s is over"
    )
    return Finding(Level.NOTE, check, words, kind.with_bfd)


def _about(wanted: Peer, bgp: BgpSpec, kind: SpeakerKind) -> str:
    if kind is FRR:
        return f"vtysh -c 'show bgp neighbors {wanted.address}'"
    if kind is BIRD:
        return kind.ask_neighbours
    target = f"--target {bgp.api} " if bgp.api.startswith("unix:") else ""
    return f"gobgp {target}neighbor {wanted.address}"


def _with_as(bgp: BgpSpec, kind: SpeakerKind) -> str:
    return "" if kind not in (FRR, BIRD) else f" ({_line_of_as(bgp, kind)})"


def _line_of_as(bgp: BgpSpec, kind: SpeakerKind) -> str:
    lines = {FRR.name: f"`router bgp {bgp.local_as}`", BIRD.name: f"`local as {bgp.local_as};`"}
    return lines.get(kind.name, f"`as = {bgp.local_as}`")
