"""How this gateway stands in BGP, and why: one vocabulary for logs, metrics, status and tests."""

from enum import StrEnum


class Standing(StrEnum):
    """`FULL`: in the ECMP set. `SOFT`: announced with a raised MED, for when nobody is better. `OUT`: withdrawn."""

    FULL = "full"
    SOFT = "soft"
    DRAINING = "draining"
    OUT = "out"


RANK: dict[Standing, int] = {Standing.OUT: 0, Standing.SOFT: 1, Standing.DRAINING: 1, Standing.FULL: 2}


class Reason(StrEnum):
    HEALTHY = "healthy"
    STARTING = "starting"
    ADOPTED = "adopted"
    HOLD_DOWN = "hold-down"
    WAITING_TURN = "waiting-turn"
    MODULE_MISSING = "module-missing"
    INSTANCE_MISSING = "instance-missing"
    INSTANCE_PAUSED = "instance-paused"
    POOL4_EMPTY = "pool4-empty"
    TUNNEL_MISSING = "tunnel-missing"
    VIP_MISSING = "vip-missing"
    CARRIER_DOWN = "carrier-down"
    CANARY_DEAD = "canary-dead"
    TARGETS_UNREACHABLE = "targets-unreachable"
    TARGETS_SUSPECT = "targets-suspect"
    KIND_UNREACHABLE = "kind-unreachable"
    POOL_NEARLY_EXHAUSTED = "pool-nearly-exhausted"
    PATH_TOO_NARROW = "path-too-narrow"
    NODES_CUT_OFF = "nodes-cut-off"
    UNPROVEN = "unproven"
    LAST_EXIT = "last-exit"
    DRAINING = "draining"
    DRAINED = "drained"


WORDS: dict[Reason, str] = {
    Reason.HEALTHY: "a probe has just passed through this gateway's translator and back",
    Reason.STARTING: "not yet proven: waiting for the first probes to come back",
    Reason.ADOPTED: "the path was announced when the agent started; it stays while its health is being proven",
    Reason.HOLD_DOWN: "healthy again; waiting before coming back, because coming back moves flows",
    Reason.WAITING_TURN: "healthy again; another gateway is coming back right now, one at a time",
    Reason.MODULE_MISSING: "the Jool kernel module is not loaded",
    Reason.INSTANCE_MISSING: "the Jool instance is missing",
    Reason.INSTANCE_PAUSED: "the Jool instance is switched off (manually-enabled is false)",
    Reason.POOL4_EMPTY: "the Jool instance has no public addresses (pool4)",
    Reason.TUNNEL_MISSING: "the 6to4 tunnel is missing or down",
    Reason.VIP_MISSING: "the VIP is not on the loopback interface",
    Reason.CARRIER_DOWN: "the outside interface has no link",
    Reason.CANARY_DEAD: "no probe comes back here, while another gateway reaches the same targets",
    Reason.TARGETS_UNREACHABLE: "fewer targets than the quorum answer; no other gateway can confirm the cause",
    Reason.TARGETS_SUSPECT: "fewer targets than the quorum answer, and the other gateways cannot reach them either",
    Reason.KIND_UNREACHABLE: "one protocol fails here, while another gateway reaches its targets",
    Reason.POOL_NEARLY_EXHAUSTED: "the public ports are nearly used up",
    Reason.PATH_TOO_NARROW: "full TCP segments do not come back: a link outside is smaller than the MSS allows for",
    Reason.NODES_CUT_OFF: "replies do not reach the nodes, or some nodes with sessions: there is no route back",
    Reason.UNPROVEN: "no probe could be sent for too long: unproven health is not announced",
    Reason.LAST_EXIT: "health is not proven, but no other gateway is known to be healthy",
    Reason.DRAINING: "draining: still translating, new flows go elsewhere",
    Reason.DRAINED: "drained by the operator",
}
