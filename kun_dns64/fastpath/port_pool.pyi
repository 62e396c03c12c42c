from kun_dns64.policy.retransmission import RoundTrip
from kun_dns64.transport.health import Health
from kun_dns64.transport.portpool import Port as Port
from kun_dns64.transport.portpool import PortPool as PortPool
from kun_dns64.transport.randomness import Randomness as Randomness

def heard(health: Health, round_trip: RoundTrip, rtt_s: float, now: float) -> None: ...
