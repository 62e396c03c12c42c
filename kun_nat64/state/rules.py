"""The rules of the decisions, as the configuration has them."""

from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.announcement import AnnounceRules
from kun_nat64.policy.health import HealthRules
from kun_nat64.policy.holddown import HoldDownRules


def health_rules(spec: AgentSpec) -> HealthRules:
    # Longer than it takes to mend a probe namespace that somebody removed: that alone must not withdraw anything.
    # And longer than it takes to find a target dead: that has a name of its own.
    found_dead_s = (spec.health.fall + 1) * spec.health.interval_s + spec.health.timeout_s
    proof_s = max(5.0, 2.5 * spec.gateway.observe_s, found_dead_s)
    return HealthRules(spec.health.fall, spec.health.rise, spec.health.quorum, proof_s)


def announce_rules(spec: AgentSpec) -> AnnounceRules:
    detect_s = spec.health.interval_s * spec.health.fall + spec.health.timeout_s
    return AnnounceRules(
        name=spec.gateway.name,
        med=spec.bgp.med,
        soft_fail_med=spec.bgp.soft_fail_med,
        drain_med=spec.drain.med,
        hold_down=HoldDownRules(spec.health.hold_down_s, spec.health.hold_down_max_s, spec.health.flap_memory_s),
        never_withdraw_last=spec.guard.never_withdraw_last,
        confirm_s=detect_s + 2 * spec.fleet.poll_s,
        adopt_s=spec.health.interval_s * spec.health.rise * 2 + 5,
        pool_limit=spec.health.pool_limit,
        pool_forecast_s=spec.health.pool_forecast_s,
        spacing_s=max(spec.health.hold_down_s, 2 * spec.fleet.poll_s),
    )
