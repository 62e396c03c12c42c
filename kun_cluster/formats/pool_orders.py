"""The leader's orders for a pool's gateways, as the pool's status keeps them."""

from collections.abc import Mapping
from typing import Any

from kun_cluster.formats.times import rfc3339, unix_time
from kun_cluster.model.rollout import NO_ORDERS, Orders, Rollout, RolloutPhase


def orders_value(orders: Orders) -> dict[str, Any]:
    """Give the fields of the status; a field without a value is left out."""
    value: dict[str, Any] = {}
    rollout = orders.rollout
    if rollout is not None:
        value["rollout"] = {
            "gateway": rollout.gateway,
            "phase": str(rollout.phase),
            "since": rfc3339(rollout.since),
            "version": rollout.version,
        } | ({"message": rollout.message} if rollout.message else {})
    if orders.cordoned:
        value["cordoned"] = list(orders.cordoned)
    return value


def read_orders(status: object) -> Orders:
    """Read them from a pool's status; what is not understood orders nothing."""
    if not isinstance(status, Mapping):
        return NO_ORDERS
    cordoned = status.get("cordoned")
    names = tuple(sorted(filter(_is_text, cordoned))) if isinstance(cordoned, list) else ()
    return Orders(_read_rollout(status.get("rollout")), names)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _read_rollout(value: object) -> Rollout | None:
    if not isinstance(value, Mapping):
        return None
    try:
        phase, since = RolloutPhase(value["phase"]), unix_time(value["since"])
        texts = [value["gateway"], value["version"], value.get("message", "")]
    except (KeyError, ValueError, TypeError):
        return None
    return Rollout(texts[0], phase, since, texts[1], texts[2]) if all(map(_is_text, texts)) else None
