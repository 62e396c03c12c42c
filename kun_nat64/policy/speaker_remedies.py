"""Which command mends a fault of BGP, for each of the speakers. Its name and words are the same for all."""

from dataclasses import replace

from kun_nat64.model.diagnosis import Cause, Diagnosis
from kun_nat64.model.speakers import BIRD, FRR, GOBGP

REMEDIES: dict[str, dict[Cause, str]] = {
    GOBGP.name: {
        Cause.SPEAKER_SILENT: (
            "`systemctl status kun-gobgpd`; `systemctl restart kun-gobgpd`; the agent announces the path again"
        ),
        Cause.PATH_REFUSED: (
            "`gobgp global policy`: accept route-type local on import, as the shipped gobgpd.conf does"
        ),
        Cause.PATH_NOT_SENT: (
            "`gobgp neighbor PEER adj-out`; let the export policy pass it, then `gobgp neighbor PEER softresetout`"
        ),
        Cause.SESSION_DOWN: "`gobgp neighbor`; the other end, its filters, the link between",
    },
    FRR.name: {
        Cause.SPEAKER_SILENT: (
            "`systemctl status frr`; bgpd=yes in /etc/frr/daemons; `systemctl restart frr`; "
            "the agent announces the path again"
        ),
        Cause.PATH_REFUSED: (
            "`vtysh -c 'show bgp PREFIX'`: without a route to the prefix it is not valid; "
            "`no bgp network import-check` below `router bgp`"
        ),
        Cause.PATH_NOT_SENT: (
            "`vtysh -c 'show bgp neighbors PEER'`: a route map must let it out, as kun-out of the shipped frr.conf does"
        ),
        Cause.SESSION_DOWN: "`vtysh -c 'show bgp summary'`; the other end, its filters, the link between",
    },
    BIRD.name: {
        Cause.SPEAKER_SILENT: (
            "`birdc configure check`; `systemctl status bird`; `systemctl restart bird`; "
            "the agent announces the path again"
        ),
        Cause.PATH_REFUSED: "`birdc show route all PREFIX`; `birdc show protocols`: kun_nat64_... must be up",
        Cause.PATH_NOT_SENT: (
            "`birdc show route export SESSION`: its filter must accept kun_nat64_*, as kun_out of the shipped file does"
        ),
        Cause.SESSION_DOWN: "`birdc show protocols all`; the other end, its filters, the link between",
    },
}


def for_speaker(found: Diagnosis, speaker: str) -> Diagnosis:
    remedy = REMEDIES[speaker].get(found.cause)
    return replace(found, remedy=remedy) if remedy else found
