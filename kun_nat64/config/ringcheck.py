"""The ends of the ring's tunnels: one address for each gateway, and not the one that all of them have."""

from collections.abc import Iterator

from kun_base.errors import Fault
from kun_base.partial import attributes, entries
from kun_nat64.config.file import BgpSection, FleetSection, GatewaySection, Nat64Section
from kun_nat64.config.misuse import not_a_host
from kun_nat64.config.resolve import ring_address, ring_members


def ring_faults(
    fleet: FleetSection, bgp: BgpSection | None, gateway: GatewaySection | None, nat64: Nat64Section | None
) -> Iterator[Fault]:
    vip = gateway.vip if gateway else None
    if fleet.ring is True and nat64 is not None and not nat64.reset_orphans:
        wanted = "needs nat64.reset_orphans = true: its table knows which flows are unknown"
        yield Fault("fleet.ring", "true", wanted)
    if fleet.ring is True and bgp is not None and not ring_members(fleet, ring_address(fleet, bgp)):
        wanted = "needs other gateways: IPv4 addresses in the URLs of fleet.members, or fleet.ring_members"
        yield Fault("fleet.ring", "true", wanted)
    if fleet.ring_address and (why := not_a_host(fleet.ring_address)):
        yield Fault("fleet.ring_address", repr(str(fleet.ring_address)), why)
    elif fleet.ring_address and fleet.ring_address == vip:
        yield Fault("fleet.ring_address", repr(str(vip)), "is the VIP, which every gateway has: give one of its own")
    public = {address for _, address in attributes(getattr(nat64, "pool4", ()), "address")}
    own = ring_address(fleet, bgp) if bgp else fleet.ring_address
    for index, member in entries(fleet.ring_members):
        where, value = f"fleet.ring_members[{index}]", repr(str(member))
        if member in fleet.ring_members[:index]:
            yield Fault(where, value, "is listed twice")
        elif why := not_a_host(member):
            yield Fault(where, value, why)
        elif member == own or member in public:
            yield Fault(where, value, "is this gateway's own address: name the others")
        elif member == vip:
            yield Fault(where, value, "is the VIP, which every gateway has: give the member's own address")
