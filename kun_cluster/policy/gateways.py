"""Which gateways are in force, and what resolvers ask about a pool's health."""

from collections.abc import Collection, Iterable, Mapping

from kun_cluster.model.egress import Desired, EgressGateway, EgressPool
from kun_cluster.model.problem import Problem, Reason


def accept_gateways(
    gateways: Iterable[EgressGateway], pools: Collection[str]
) -> tuple[dict[str, EgressGateway], list[Problem]]:
    """Decide which gateways are in force; of two with one agent, the older one."""
    accepted: dict[str, EgressGateway] = {}
    problems = []
    by_admin: dict[str, EgressGateway] = {}
    for gateway in sorted(gateways, key=lambda gateway: gateway.meta.age):
        first = by_admin.setdefault(gateway.admin, gateway)
        if first is not gateway:
            text = f"admin {gateway.admin} is the agent of {first}, which is older and in force"
            problems.append(Problem(str(gateway), Reason.ADMIN_TAKEN, text))
        elif gateway.pool not in pools:
            text = f"pool {gateway.pool} is not in force; pools in force: {', '.join(sorted(pools)) or 'none'}"
            problems.append(Problem(str(gateway), Reason.POOL_NOT_FOUND, text))
        else:
            accepted[gateway.meta.name] = gateway
    return accepted, problems


def status_urls(pool: str, gateways: Mapping[str, EgressGateway]) -> tuple[str, ...]:
    """URLs that answer 200 while a gateway of the pool announces. A gateway that shall be out is not asked."""
    of_pool = (gateway for gateway in gateways.values() if gateway.pool == pool and gateway.desired is not Desired.OUT)
    return tuple(sorted(f"{gateway.admin}/readyz" for gateway in of_pool))


def ordered(gateway: EgressGateway, pool: EgressPool) -> Desired:
    """What the table tells its agent: the operator's word first, then the leader's orders."""
    if gateway.desired is Desired.SERVE and pool.orders.drains(gateway.meta.name):
        return Desired.DRAIN
    return gateway.desired


def wanted_version(gateway: EgressGateway, pool: EgressPool) -> str:
    """Version it shall run: its own, else its pool's; "" for any."""
    return gateway.version or pool.version
