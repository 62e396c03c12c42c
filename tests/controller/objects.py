"""Objects for tests, as short as they can be written."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from kun_cluster.model.egress import AddressKind, EgressAllocation, EgressGateway, EgressPolicy, EgressPool, Meta
from kun_cluster.model.objects import Objects, Rules
from kun_cluster.model.selector import Selector
from kun_cluster.model.workload import Namespace, Node, Pod
from kun_cluster.policy.ruleset import RuleSet, compile_rules
from kun_cluster.state.live_table import LiveTable, compile_objects


def day(number: int) -> str:
    """A time of creation."""
    return f"2026-01-{number:02}T00:00:00Z"


def pool(
    name: str = "standard", vip: str = "203.0.113.1", created: int = 1, networks: str = "", **more: Any
) -> EgressPool:
    public = tuple(IPv4Network(text) for text in networks.split())
    return EgressPool(Meta(name, uid=f"uid-{name}", created=day(created)), IPv4Address(vip), public, **more)


def gateway(name: str = "gw1", of: str = "standard", created: int = 1, **more: Any) -> EgressGateway:
    admin = more.pop("admin", f"http://{name}.example:9465")
    return EgressGateway(Meta(name, uid=f"uid-{name}", created=day(created)), of, admin, **more)


def policy(name: str = "web", namespace: str = "team-00", created: int = 1, app: str = "", **more: Any) -> EgressPolicy:
    meta = Meta(name, namespace, more.pop("uid", f"uid-{namespace}-{name}"), day(created))
    return EgressPolicy(meta, Selector((("app", app),)) if app else Selector(), **more)


def dedicated(name: str = "web", namespace: str = "team-00", **more: Any) -> EgressPolicy:
    return policy(name, namespace, address=AddressKind.DEDICATED, **more)


def pod(name: str, address: str = "", namespace: str = "team-00", created: int = 1, app: str = "", **more: Any) -> Pod:
    labels = {"app": app} if app else {}
    addresses = tuple(address.split())
    return Pod(namespace, name, f"uid-{name}-{created}", day(created), labels, addresses=addresses, **more)


def gathered(*found: Any) -> Objects:
    """All objects by kind."""

    def by_name(kind: Any) -> dict[Any, Any]:
        return {getattr(one, "name", None) or one.meta.name: one for one in found if isinstance(one, kind)}

    return Objects(
        Rules(
            by_name(EgressPool),
            by_name(EgressGateway),
            {(one.meta.namespace, one.meta.name): one for one in found if isinstance(one, EgressPolicy)},
            by_name(EgressAllocation),
            by_name(Namespace),
            by_name(Node),
        ),
        {one.key: one for one in found if isinstance(one, Pod)},
    )


def rules(*found: Any) -> RuleSet:
    return compile_rules(gathered(*found).rules)


def live(*found: Any) -> LiveTable:
    objects = gathered(*found)
    return compile_objects(objects, compile_rules(objects.rules))


def with_allocations(objects: Objects, allocations: Iterable[EgressAllocation]) -> RuleSet:
    by_name = {one.meta.name: one for one in allocations}
    return compile_rules(replace(objects.rules, allocations=by_name))
