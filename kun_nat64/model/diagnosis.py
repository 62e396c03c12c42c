"""The name of what is broken, with words for people and what mends it."""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    NONE = "none"
    NO_PROBES = "no-probes"
    OUTSIDE_LINK_DOWN = "outside-link-down"
    MODULE_MISSING = "module-missing"
    INSTANCE_MISSING = "instance-missing"
    PAUSED = "paused"
    POOL6_WRONG = "pool6-wrong"
    POOL4_LACKS_PROTOCOL = "pool4-lacks-protocol"
    POOL4_EMPTY = "pool4-empty"
    POOL4_EXHAUSTED = "pool4-exhausted"
    POOL4_ELSEWHERE = "pool4-elsewhere"
    TUNNEL_MISSING = "tunnel-missing"
    FALLBACK_TUNNEL_MASKS = "fallback-tunnel-masks"
    VIP_MISSING = "vip-missing"
    ONE_ARMED = "one-armed"
    PROTOCOL_41_DROPPED = "protocol-41-dropped"
    PROTOCOL_41_KEPT_IN = "protocol-41-kept-in"
    DROPPED_BEFORE_TRANSLATOR = "dropped-before-translator"
    CONNTRACK_DROPS = "conntrack-drops"
    CONNTRACK_FULL = "conntrack-full"
    FQ_DROPS = "fq-drops"
    NO_DEFAULT_ROUTE = "no-default-route"
    RETURN_ROUTE_MISSING = "return-route-missing"
    FOREIGN_RULE = "foreign-routing-rule"
    NODES_ROUTE_MISSING = "nodes-route-missing"
    NODES_ROUTER_SILENT = "nodes-router-silent"
    NODES_CUT_OFF = "nodes-cut-off"
    QUEUE_DROPS = "queue-drops"
    ANSWERS_DO_NOT_LEAVE = "answers-do-not-leave"
    ROUTER_RETURNS_NOTHING = "router-returns-nothing"
    PATH_TOO_NARROW = "path-too-narrow"
    UPSTREAM_DEAD = "upstream-dead"
    REPLIES_MISSING = "replies-missing"
    PACKETS_DO_NOT_ARRIVE = "packets-do-not-arrive"
    TARGET_DEAD = "target-dead"
    SPEAKER_SILENT = "speaker-silent"
    PATH_REFUSED = "path-refused"
    PATH_NOT_SENT = "path-not-sent"
    SESSION_DOWN = "session-down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    cause: Cause
    words: str
    remedy: str = ""
