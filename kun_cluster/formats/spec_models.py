"""Specs of our objects as the operator writes them: the source of the CRDs, of their documentation and of the reader.

A rule between two fields is a CEL rule for the API server, and a check in `egress_objects.py` for files.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from kun_cluster.formats.times import unix_time
from kun_cluster.model.egress import AddressKind, Desired, Ipv4, Mode, Use, WhenDown, WhenNoAddress
from kun_cluster.model.selector import Operator

LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
DOMAIN = rf"^{LABEL}(\.{LABEL})*\.?$"
OBJECT_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
DURATION = r"^[0-9]{1,9}(s|m|h|d)$"
SHORT_TIME = r"^[0-9]{1,6}(s|m|h)$"
ADMIN_URL = r"^https?://[^\s/?#]+/?$"


PATTERN_EXAMPLES = {
    DOMAIN: "example.org",
    OBJECT_NAME: "overseas",
    OBJECT_NAME + "|^$": "overseas",
    DURATION: "10m",
    SHORT_TIME: "10m",
    ADMIN_URL: "http://10.2.1.2:9465",
}


def _rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _parse_address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise ValueError('must be an IPv4 address, for example "203.0.113.1"') from None


def _parse_network(text: str) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except ValueError as error:
        wrong = "has host bits set" if "host bits" in str(error) else "must be an IPv4 network"
        raise ValueError(f'{wrong}, for example "192.0.2.0/28"') from None
    if "/" not in text or network.prefixlen < 16:
        raise ValueError('must have a length of /16 to /32, for example "192.0.2.0/28"')
    return network


Address = Annotated[
    str,
    _checked(_parse_address),
    Field(
        max_length=15,
        json_schema_extra=_rules(
            ("isIP(self) && ip(self).family() == 4", 'must be an IPv4 address, for example "203.0.113.1"')
        ),
    ),
]
Network = Annotated[
    str,
    _checked(_parse_network),
    Field(
        max_length=18,
        json_schema_extra=_rules(
            ("isCIDR(self) && cidr(self).ip().family() == 4", 'must be an IPv4 network, for example "192.0.2.0/28"'),
            ("!isCIDR(self) || cidr(self) == cidr(self).masked()", "has host bits set"),
            ("!isCIDR(self) || cidr(self).prefixLength() >= 16", "must have a length of /16 to /32"),
        ),
    ),
]
Time = Annotated[
    str,
    _checked(unix_time),
    Field(
        json_schema_extra={
            "format": "date-time",
            **_rules(
                (
                    "self >= timestamp('1970-01-01T00:00:00Z') && self < timestamp('9999-12-31T00:00:00Z')",
                    "must be a time from 1970 to 9999",
                )
            ),
        }
    ),
]
Domain = Annotated[str, Field(pattern=DOMAIN, max_length=253)]
Name = Annotated[str, Field(pattern=OBJECT_NAME)]
OptionalName = Annotated[str, Field(pattern=OBJECT_NAME + "|^$")]
UNCHANGED = _rules(("self == oldSelf", "cannot be changed: make a new object"))


class Spec(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid", str_strip_whitespace=False)


class ExpressionSpec(Spec):
    key: str = Field(min_length=1, max_length=317, description="Label key.")
    operator: Operator = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: list[str] = Field(default=[], max_length=256, description="Label values; none for Exists and DoesNotExist.")


class SelectorSpec(Spec):
    match_labels: dict[str, str] = Field(default={}, description="Labels that must all be there with these values.")
    match_expressions: list[ExpressionSpec] = Field(
        default=[], max_length=64, description="Conditions that must all hold."
    )


class AllowedNamespacesSpec(Spec):
    names: list[Name] = Field(default=[], max_length=1000, description="Names of namespaces.")
    selector: SelectorSpec | None = Field(default=None, description="Labels of namespaces; an empty selector: all.")


class RolloutSpec(Spec):
    model_config = ConfigDict(
        json_schema_extra=_rules(
            ("duration(self.holdDown) < duration(self.returnTimeout)", "returnTimeout must be longer than holdDown")
        )
    )
    drain_timeout: str = Field(
        default="10m", pattern=SHORT_TIME,
        description="How long to wait until a gateway is drained; after it a gateway that is withdrawn is upgraded.",
    )  # fmt: skip
    upgrade_timeout: str = Field(
        default="1h", pattern=SHORT_TIME,
        description="How long to wait until a drained gateway's agent reports the version; after it the rollout stops.",
    )  # fmt: skip
    return_timeout: str = Field(
        default="10m", pattern=SHORT_TIME,
        description="How long to wait until an upgraded gateway serves; after it the rollout stops.",
    )  # fmt: skip
    hold_down: str = Field(
        default="30s", pattern=SHORT_TIME,
        description="A gateway must have served for so long before the next one is drained.",
    )  # fmt: skip
    paused: bool = Field(default=False, description="Begin with no further gateway.")


class PoolSpec(Spec):
    vip: Address = Field(
        description="IPv4 address that the gateways announce. Its NAT64 prefix is 2002:VIP::/96. Cannot be changed.",
        json_schema_extra=_rules(
            ("isIP(self) && ip(self).family() == 4", 'must be an IPv4 address, for example "203.0.113.1"'),
            ("self == oldSelf", "cannot be changed: make a new pool"),
        ),
    )
    public_networks: list[Network] = Field(
        default=[], max_length=64, alias="publicNetworks",
        description="Public IPv4 networks whose addresses the gateways translate to. No other pool may have them.",
    )  # fmt: skip
    mode: Mode = Field(
        default=Mode.SPREAD, json_schema_extra=UNCHANGED,
        description="Spread: all gateways at once, each with public addresses of its own. "
        "ActiveStandby: VIP and public addresses move together to one gateway. Cannot be changed.",
    )  # fmt: skip
    default: bool = Field(
        default=False, description="Clients for which no pool is named leave by this one. One pool at most."
    )
    allowed_namespaces: AllowedNamespacesSpec | None = Field(
        default=None, description="Namespaces that may use this pool: those named and those selected. Absent: all."
    )
    domains: list[Domain] = Field(
        default=[], max_length=10000, description="Names, with all below them, that leave by this pool."
    )
    fallback: OptionalName = Field(
        default="", description='Pool to use while this one has no gateway; "default": the default pool; "": none.'
    )
    when_down: WhenDown = Field(
        default=WhenDown.CLAMP_TTL,
        description="What resolvers do while no gateway is up. Keep: nothing. ClampTTL: TTL 30 s. Stop: no synthesis.",
    )
    cool_down: str = Field(
        default="10m", pattern=DURATION,
        description="How long a released address or share is kept from others, for example 90s, 10m, 2h, 1d.",
    )  # fmt: skip
    ports_per_share: Literal[1024, 2048, 4096, 8192, 16384, 32768, 65536] = Field(
        default=1024, json_schema_extra=UNCHANGED,
        description="Ports of one share: a power of two from 1024 to 65536 (a whole address). Cannot be changed.",
    )  # fmt: skip
    shared_addresses: int = Field(
        default=1, ge=0, le=256,
        description="Public addresses that each gateway (Spread) or the pool (ActiveStandby) keeps for clients "
        "without an address of their own.",
    )  # fmt: skip
    allow_non_global_vip: bool = Field(
        default=False, alias="allowNonGlobalVIP", description="Allow a private VIP. RFC 3056 section 2 does not."
    )
    version: str = Field(
        default="", max_length=64,
        description="Program version its gateways shall run: one at a time is drained and waits for it. Empty: any.",
    )  # fmt: skip
    rollout: RolloutSpec = Field(
        default=RolloutSpec(), description="How gateways are upgraded, one at a time.",
    )  # fmt: skip


class GatewaySpec(Spec):
    pool: Name = Field(description="Its EgressPool. Cannot be changed.", json_schema_extra=UNCHANGED)
    admin: str = Field(
        pattern=ADMIN_URL,
        max_length=200,
        description="URL of its agent's admin port, for example http://10.2.1.2:9465.",
    )
    node: OptionalName = Field(
        default="", description="Kubernetes node it runs on: cordoned or out of service, it is drained."
    )
    desired: Desired = Field(
        default=Desired.SERVE,
        description="Serve: announce while healthy. Drain: leave the ECMP set, then finish. Out: announce nothing.",
    )
    version: str = Field(default="", max_length=64, description="Program version it shall run; empty: its pool's.")


class PoolDomainsSpec(Spec):
    pool: Name = Field(description="Pool by which the names leave.")
    names: list[Domain] = Field(min_length=1, max_length=1000, description="Names, with all below them.")


class PolicySpec(Spec):
    pod_selector: SelectorSpec = Field(
        default=SelectorSpec(), description="Pods of this namespace that it is for. Empty: all."
    )
    ipv4: Ipv4 | None = Field(
        default=None,
        description="How these pods reach IPv4. Translate: NAT64. Native: their own IPv4. Deny: not at all. "
        "Absent: as each pod's annotation cni.networking.kun/ipv4Enabled says.",
    )
    pool: OptionalName = Field(default="", description="Pool by which they leave; empty: the default pool.")
    domains: list[PoolDomainsSpec] = Field(
        default=[], max_length=32, description="Names that leave by another pool; the longest name wins."
    )
    address: AddressKind = Field(
        default=AddressKind.SHARED,
        description="Shared: the gateways' addresses. Dedicated: ports that nobody else has.",
    )
    shares: int = Field(
        default=1, ge=1, le=64, description="With Dedicated: shares on each gateway (Spread) or in all (ActiveStandby)."
    )
    when_no_address: WhenNoAddress = Field(
        default=WhenNoAddress.DENY,
        description="With Dedicated and no share yet or none free: refuse, or leave by a shared address.",
    )
    filter_a: bool = Field(default=False, description="Answer A questions with no data.")
    max_sessions: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="Sessions all its pods together may hold on one gateway; 0: no limit.",
    )
    priority: int = Field(
        default=0, ge=-1000, le=1000, description="The highest wins; among equals the older policy, then the name."
    )


class OwnerSpec(Spec):
    kind: str = Field(max_length=63, description="EgressPool, EgressGateway or EgressPolicy.")
    name: str = Field(max_length=253, description="Its name.")
    namespace: str = Field(default="", max_length=63, description="Its namespace; empty: it is in none.")
    uid: str = Field(
        default="", max_length=63, description="Its uid: another object of the same name is another owner."
    )


class AllocationSpec(Spec):
    pool: Name = Field(description="Pool the address belongs to.", json_schema_extra=UNCHANGED)
    address: Address = Field(description="Public address.")
    use: Use = Field(
        json_schema_extra=UNCHANGED,
        description="SharedAddress, DedicatedAddress: the whole address, for a gateway. "
        "Share: a block of its ports, for a policy.",
    )
    first_port: int = Field(
        default=0, ge=0, le=65535, json_schema_extra=UNCHANGED, description="First port of the block."
    )
    last_port: int = Field(
        default=65535, ge=0, le=65535, json_schema_extra=UNCHANGED, description="Last port of the block."
    )
    gateway: OptionalName = Field(
        default="", json_schema_extra=UNCHANGED, description="The only gateway that may use it; empty: ActiveStandby."
    )
    owner: OwnerSpec = Field(
        json_schema_extra=UNCHANGED, description="Who has it. Never changes: a new owner is a new object."
    )
    since: Time | None = Field(default=None, description="When it was given.")
    released_at: Time | None = Field(
        default=None, description="When it was released; it is kept from others until the pool's coolDown is over."
    )


def fields_at(spec: type[Spec], path: tuple[str | int, ...]) -> list[str]:
    """Names of the fields that may stand at a path of a spec, for example ("allowedNamespaces", "selector")."""
    for part in path:
        if isinstance(part, str):
            inner = {field.alias: field.annotation for field in spec.model_fields.values()}.get(part)
            spec = next((one for one in _models_in(inner)), spec)
    return [str(field.alias) for field in spec.model_fields.values()]


def _models_in(annotation: Any) -> list[type[Spec]]:
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
