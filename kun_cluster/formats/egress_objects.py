"""Our objects from JSON or YAML: checked by `spec_models.py`, and by the rules between fields."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from pydantic import ValidationError

from kun_base.wording import wanted
from kun_cluster.formats.pool_orders import read_orders
from kun_cluster.formats.spec_models import (
    PATTERN_EXAMPLES,
    AllocationSpec,
    GatewaySpec,
    PolicySpec,
    PoolSpec,
    RolloutSpec,
    SelectorSpec,
    Spec,
    fields_at,
)
from kun_cluster.formats.times import seconds_of, unix_time
from kun_cluster.model.egress import (
    AddressKind,
    AllowedNamespaces,
    EgressAllocation,
    EgressGateway,
    EgressPolicy,
    EgressPool,
    Ipv4,
    Meta,
    Owner,
    PoolDomains,
    Use,
)
from kun_cluster.model.rollout import RolloutRules
from kun_cluster.model.selector import Expression, Operator, Selector
from kun_cluster.model.share import address_name, share_name

EgressObject = EgressPool | EgressGateway | EgressPolicy | EgressAllocation
NAMESPACED = frozenset({"EgressPolicy"})
SPECS: dict[str, type[Spec]] = {
    "EgressPool": PoolSpec,
    "EgressGateway": GatewaySpec,
    "EgressPolicy": PolicySpec,
    "EgressAllocation": AllocationSpec,
}


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One wrong field: its path from the object's top, the value as text, what would be right."""

    path: tuple[str | int, ...]
    value: str
    wanted: str


class ObjectError(Exception):
    """An object that the API server would not have taken. Carries every fault."""

    def __init__(self, faults: list[FieldFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{'.'.join(map(str, fault.path))}: {fault.wanted}" for fault in faults))


def read_egress_object(kind: str, document: Mapping[str, Any], *, strict: bool) -> EgressObject:
    """Read one object. `strict`: unknown fields are faults (files), else they are of a newer release and ignored.

    Raises ObjectError with all faults.
    """
    meta = read_meta(document, namespaced=kind in NAMESPACED)
    try:
        spec = SPECS[kind].model_validate(document.get("spec", {}), extra="forbid" if strict else "ignore")
    except ValidationError as error:
        raise ObjectError([_fault(problem, kind) for problem in error.errors()]) from None
    faults = rules_between_fields(spec, meta)
    if faults:
        raise ObjectError(faults)
    made = _made(spec, meta)
    return replace(made, orders=read_orders(document.get("status"))) if isinstance(made, EgressPool) else made


def _fault(problem: Any, kind: str) -> FieldFault:
    value, loc = problem["input"], problem["loc"]
    shown = "" if problem["type"] == "missing" or isinstance(value, dict | list) else repr(value)
    if problem["type"] == "extra_forbidden":
        text = f"is not a field of {kind} here{nearest_field(SPECS[kind], loc)}"
    elif problem["type"] == "string_pattern_mismatch":
        text = f'must be text like "{PATTERN_EXAMPLES[problem["ctx"]["pattern"]]}"'
    else:
        text = wanted(problem)
    return FieldFault(("spec", *loc), shown, text)


def nearest_field(spec: type[Spec], loc: tuple[str | int, ...]) -> str:
    """Name the field that an unknown one was probably meant to be, as `; did you mean pool?`, or ""."""
    known = fields_at(spec, loc[:-1])
    close = get_close_matches(str(loc[-1]), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def read_meta(document: Mapping[str, Any], *, namespaced: bool) -> Meta:
    """Read the metadata; a namespaced object without a namespace is in `default`. Raises ObjectError."""
    meta = document.get("metadata")
    name = meta.get("name") if isinstance(meta, Mapping) else None
    if not isinstance(meta, Mapping) or not isinstance(name, str) or not name:
        raise ObjectError([FieldFault(("metadata", "name"), "", "is required")])
    texts = {key: str(meta.get(key) or "") for key in ("namespace", "uid", "creationTimestamp", "resourceVersion")}
    generation = meta.get("generation")
    return Meta(
        name=name,
        namespace=(texts["namespace"] or "default") if namespaced else "",
        uid=texts["uid"],
        created=texts["creationTimestamp"],
        generation=generation if isinstance(generation, int) else 0,
        resource_version=texts["resourceVersion"],
        deleting=bool(meta.get("deletionTimestamp")),
    )


def rules_between_fields(spec: Spec, meta: Meta) -> list[FieldFault]:
    """Check what a CEL rule of the CRD checks on the server."""
    match spec:
        case PoolSpec() if spec.fallback == meta.name:
            return [FieldFault(("spec", "fallback"), repr(spec.fallback), "names the pool itself; name another one")]
        case PoolSpec() if seconds_of(spec.rollout.hold_down) >= seconds_of(spec.rollout.return_timeout):
            path = ("spec", "rollout", "returnTimeout")
            return [FieldFault(path, repr(spec.rollout.return_timeout), "must be longer than holdDown")]
        case PolicySpec() if spec.ipv4 in (Ipv4.NATIVE, Ipv4.DENY) and _wants_translation(spec):
            return [
                FieldFault(("spec", "ipv4"), repr(str(spec.ipv4)), "goes with no pool, no domains and address Shared")
            ]
        case AllocationSpec():
            expected = _allocation_name(spec)
            if spec.first_port > spec.last_port:
                text = f"is larger than lastPort, {spec.last_port}"
                return [FieldFault(("spec", "firstPort"), str(spec.first_port), text)]
            if meta.name != expected:
                return [FieldFault(("metadata", "name"), repr(meta.name), f"must be {expected}, the name of its share")]
    return []


def _wants_translation(spec: PolicySpec) -> bool:
    return bool(spec.pool or spec.domains) or spec.address is AddressKind.DEDICATED


def _allocation_name(spec: AllocationSpec) -> str:
    address = IPv4Address(spec.address)
    return share_name(address, spec.first_port) if spec.use is Use.SHARE else address_name(address)


def _made(spec: Spec, meta: Meta) -> EgressObject:
    match spec:
        case PoolSpec():
            return _pool(spec, meta)
        case GatewaySpec():
            return EgressGateway(meta, spec.pool, spec.admin.rstrip("/"), spec.node, spec.desired, spec.version)
        case PolicySpec():
            return _policy(spec, meta)
        case AllocationSpec():
            return _allocation(spec, meta)
    raise TypeError(spec)


def _pool(spec: PoolSpec, meta: Meta) -> EgressPool:
    return EgressPool(
        meta=meta,
        vip=IPv4Address(spec.vip),
        public_networks=tuple(IPv4Network(text) for text in spec.public_networks),
        mode=spec.mode,
        is_default=spec.default,
        allowed=_allowed(spec),
        domains=tuple(sorted({domain(name) for name in spec.domains})),
        fallback=spec.fallback,
        when_down=spec.when_down,
        cool_down_s=seconds_of(spec.cool_down),
        ports_per_share=spec.ports_per_share,
        shared_addresses=spec.shared_addresses,
        allow_nonglobal_vip=spec.allow_non_global_vip,
        version=spec.version,
        rollout_rules=_rollout_rules(spec.rollout),
    )


def _rollout_rules(spec: RolloutSpec) -> RolloutRules:
    return RolloutRules(
        drain_s=seconds_of(spec.drain_timeout),
        upgrade_s=seconds_of(spec.upgrade_timeout),
        return_s=seconds_of(spec.return_timeout),
        hold_down_s=seconds_of(spec.hold_down),
        paused=spec.paused,
    )


def _allowed(spec: PoolSpec) -> AllowedNamespaces | None:
    allowed = spec.allowed_namespaces
    if allowed is None:
        return None
    selector = None if allowed.selector is None else _selector(allowed.selector)
    return AllowedNamespaces(frozenset(allowed.names), selector)


def _policy(spec: PolicySpec, meta: Meta) -> EgressPolicy:
    return EgressPolicy(
        meta=meta,
        pod_selector=_selector(spec.pod_selector),
        ipv4=spec.ipv4,
        pool=spec.pool,
        domains=tuple(PoolDomains(entry.pool, tuple(domain(name) for name in entry.names)) for entry in spec.domains),
        address=spec.address,
        shares=spec.shares,
        when_no_address=spec.when_no_address,
        filter_a=spec.filter_a,
        max_sessions=spec.max_sessions,
        priority=spec.priority,
    )


def _allocation(spec: AllocationSpec, meta: Meta) -> EgressAllocation:
    owner = spec.owner
    return EgressAllocation(
        meta=meta,
        pool=spec.pool,
        address=IPv4Address(spec.address),
        use=spec.use,
        owner=Owner(owner.kind, owner.name, owner.namespace, owner.uid),
        first_port=spec.first_port,
        last_port=spec.last_port,
        gateway=spec.gateway,
        since=unix_time(spec.since or ""),
        released_at=None if spec.released_at is None else unix_time(spec.released_at),
    )


def _selector(spec: SelectorSpec) -> Selector:
    expressions = [Expression(one.key, Operator(one.operator), frozenset(one.values)) for one in spec.match_expressions]
    return Selector(tuple(sorted(spec.match_labels.items())), tuple(expressions))


def domain(name: str) -> str:
    """Give a domain as the table has it: lower case, no dot at its end."""
    return name.lower().rstrip(".")
