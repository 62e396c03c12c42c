"""The way out for each pool, given which pools have a living gateway: keep, clamp the TTL, stop, or fall back."""

from dataclasses import dataclass

from kun_dns64.model.rules import GatewayDown, Pool, Rules
from kun_dns64.policy.lifetime import CLAMP_S
from kun_dns64.policy.mapping import Ways, ways

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Exit:
    """`ways`: prefixes to embed in. `clamp`: answers live CLAMP_S at most. `stop`: no synthesis. `group`: upstreams."""

    pool: str
    ways: Ways
    group: str = ""
    clamp: bool = False
    stop: bool = False


def exits(rules: Rules) -> dict[str, Exit]:
    """Pool name to its way out; "" is the default prefixes."""
    main = Pool("", rules.prefixes)
    pools = {"": main, **{pool.name: pool for pool in rules.pools}}
    return {name: _exit(pool, pools, rules) for name, pool in pools.items()}


def _exit(pool: Pool, pools: dict[str, Pool], rules: Rules) -> Exit:
    if pool.name not in rules.pools_down:
        return Exit(pool.name, ways(pool.prefixes), pool.group)
    other = pools.get("" if pool.fallback == DEFAULT else pool.fallback) if pool.fallback else None
    if other is not None and other.name not in rules.pools_down:
        # Clamped: clients come back soon after the pool does.
        return Exit(pool.name, ways(other.prefixes), pool.group, clamp=True)
    how = pool.when_down or rules.on_gateway_down
    return Exit(
        pool.name,
        ways(pool.prefixes),
        pool.group,
        clamp=how is GatewayDown.CLAMP_TTL,
        stop=how is GatewayDown.STOP,
    )


def effect_of(rules: Rules, pool: str) -> str:
    """What the answers are like while a pool ("" is the default) has no gateway, in words."""
    way = exits(rules).get(pool)
    if way is None:
        return "none"
    own = next((one.fallback for one in rules.pools if one.name == pool), "")
    if own and not way.stop and way.ways != _own_ways(rules, pool):
        return f"synthesis goes on with pool {own}, TTL at most {CLAMP_S} s"
    if way.stop:
        return "no synthesis"
    return f"TTL at most {CLAMP_S} s" if way.clamp else "none (on_gateway_down)"


def _own_ways(rules: Rules, pool: str) -> Ways:
    return ways(next((one.prefixes for one in rules.pools if one.name == pool), rules.prefixes))
