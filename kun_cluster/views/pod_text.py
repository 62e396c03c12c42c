"""One pod explained: which objects decide about it, and what is in force."""

from kun_cluster.formats.record_text import record_value
from kun_cluster.model.workload import Pod
from kun_cluster.policy.claims import claimed
from kun_cluster.policy.policies import precedence
from kun_cluster.state.live_table import LiveTable


def pod_value(live: LiveTable, pod: Pod) -> dict[str, object]:
    """What is in force for a pod, as JSON."""
    decision = live.decision(pod)
    rules = live.rules
    matching = [one for one in rules.policies.get(pod.namespace, ()) if one.pod_selector.matches(pod.labels)]
    return {
        "pod": f"{pod.namespace}/{pod.name}",
        "class": decision.class_name,
        "why": decision.why,
        "policy": decision.policy.meta.full_name if decision.policy else "",
        "other_policies": [one.meta.full_name for one in sorted(matching, key=precedence)[1:]],
        "has_ipv4": decision.has_ipv4,
        "addresses": {address: _holder(live, address, pod) for address in claimed(pod)},
        "in_force": record_value(rules.classes[decision.class_name]),
        "problems": [str(problem) for problem in live.problems() if str(pod) in f"{problem.object} {problem.message}"],
    }


def _holder(live: LiveTable, address: str, pod: Pod) -> str:
    held_by = live.holder_of(address)
    if held_by is None:
        return "nobody"
    return "this pod" if held_by.key == pod.key else str(held_by)


def pod_text(value: dict[str, object]) -> str:
    """The same for people. `value` is what `pod_value` gave, here or over HTTP."""
    record = value["in_force"]
    addresses = value["addresses"]
    assert isinstance(record, dict)
    assert isinstance(addresses, dict)
    lines = [
        f"Pod {value['pod']}: class {value['class']}",
        f"  because   {value['why']}",
        f"  policy    {value['policy'] or 'none'}" + _others(value["other_policies"]),
        *(
            [f"  address   {address}: held by {holder}" for address, holder in addresses.items()]
            or ["  address   none yet"]
        ),
        f"  AAAA      {_answers(record)}",
        f"  A         {'no data' if record['filter_a'] else 'as it is'}",
        f"  leaves by {_way(record)}",
    ]
    problems = value["problems"]
    assert isinstance(problems, list)
    return "\n".join([*lines, *(f"  problem   {problem}" for problem in problems)])


def _others(names: object) -> str:
    return f" (before {', '.join(names)})" if isinstance(names, list) and names else ""


def _answers(record: dict[str, object]) -> str:
    return "synthesised from A where there is no AAAA" if record["synthesise"] else "real answers only"


def _way(record: dict[str, object]) -> str:
    if record["deny"]:
        return "nothing: gateways refuse its packets"
    if not record["synthesise"]:
        return "its own IPv4"
    pool = record["pool"] or "the pool of the name, else the default pool"
    shares = record["addresses"]
    assert isinstance(shares, list)
    own = ", ".join(
        f"{one['address']}:{one['ports']}" + (f" at {one['gateway']}" if one["gateway"] else "") for one in shares
    )
    if record["address_pool"] and not own:
        own = "none yet, so it is refused" if record["address_required"] else "none yet, so by a shared one"
    return f"{pool}" + (
        f"; own addresses in {record['address_pool']}: {own}" if record["address_pool"] else "; shared addresses"
    )
