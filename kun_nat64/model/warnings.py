"""What the agent warns about. The names stand in /status and in the label `what` of kun_nat64_warning."""

from enum import StrEnum


class WarningName(StrEnum):
    """One name for one thing; tests/nat64/state/test_writers.py sees that one module writes each."""

    ADMIN = "admin"  # the admin port or the commands' socket cannot be opened
    CANARY = "canary"  # probes cannot be sent
    CONFIG = "config"  # a new file is not in force
    FLEET = "fleet"  # [fleet] members names what cannot be a member, or members contradict each other
    RING = "ring"  # a member of the ring does not answer
    SESSIONS = "sessions"  # not every session is listed
    TABLE = "table"  # the controller's table asks for what this gateway does not do
    TABLE_CONTRADICTION = "table-contradiction"  # the table in force contradicts the file
    GRACEFUL_RESTART = "graceful-restart"  # the speaker has it on
    RUN_DIR = "run-dir"  # the run directory cannot be written
    DRAIN = "drain"  # the drain is not stored
    FALLS = "falls"  # the falls are not stored
    GOBGPD = "gobgpd"  # the speaker does not take the configuration that the agent writes
    BGPD = "bgpd"
    BIRD = "bird"
    SESSION_LOG = "session-log"  # sessions are not logged
    CLOCK = "clock"  # the wall clock jumped: times in the session log do, too
    SESSION_DATABASE = "session-database"  # damaged parts were set aside
    # A loop of the agent failed and was started again.
    LOOP_CYCLE = "loop-cycle"
    LOOP_ANNOUNCER = "loop-announcer"
    LOOP_LINK_WATCH = "loop-link-watch"
    LOOP_SESSIONS = "loop-sessions"
    LOOP_COUNTERS = "loop-counters"
    LOOP_PATH_MTU = "loop-path-mtu"
    LOOP_NODE_WAYS = "loop-node-ways"
    LOOP_SPEAKER_CONF = "loop-speaker-conf"
    LOOP_ADMIN = "loop-admin"
    LOOP_FLEET = "loop-fleet"
    LOOP_RING = "loop-ring"
    LOOP_RELOAD = "loop-reload"
    LOOP_TABLE = "loop-table"
    LOOP_PROBES = "loop-probes"


def of_loop(name: str) -> WarningName:
    return WarningName(f"loop-{name}")
