from kun_dns64.transport.portpool import Port as Port
from kun_dns64.transport.portpool import PortPool as PortPool
from kun_dns64.transport.randomness import Randomness as Randomness
