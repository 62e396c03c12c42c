"""CustomResourceDefinitions made from `spec_models.py`, so that reader, server and documentation say the same."""

from dataclasses import dataclass
from typing import Any

from kun_cluster.formats.egress_objects import SPECS
from kun_cluster.formats.status_schema import STATUS
from kun_cluster.model.egress import GROUP, VERSION

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a CRD says beside the spec. `columns`: name, type, JSONPath, and 1 for `-o wide` only. `rules`: CEL."""

    plural: str
    short: str
    description: str
    columns: tuple[tuple[str, str, str, int], ...]
    rules: tuple[tuple[str, str], ...] = ()
    spec_rules: tuple[tuple[str, str], ...] = ()
    scope: str = "Cluster"


_READY = '.status.conditions[?(@.type=="{}")].status'
_REASON = '.status.conditions[?(@.type=="{}")].reason'
_AGE = ("Age", "date", ".metadata.creationTimestamp", 0)

KINDS = {
    "EgressPool": Kind(
        "egresspools", "epool",
        "Public addresses and the gateways that translate to them, reached by one VIP.",
        (
            ("VIP", "string", ".spec.vip", 0),
            ("Mode", "string", ".spec.mode", 0),
            ("Default", "boolean", ".spec.default", 0),
            ("Ready", "string", _READY.format("Ready"), 0),
            ("Gateways", "string", ".status.gateways", 0),
            ("Free", "integer", ".status.shares.free", 0),
            ("Taken", "integer", ".status.shares.taken", 0),
            ("Cooling", "integer", ".status.shares.cooling", 0),
            ("Current", "string", ".status.current", 0),
            ("Rollout", "string", _REASON.format("RolledOut"), 0),
            ("Reason", "string", _REASON.format("Ready"), 1),
            _AGE,
        ),
        rules=(("self.spec.fallback != self.metadata.name", "spec.fallback names the pool itself"),),
    ),
    "EgressGateway": Kind(
        "egressgateways", "egw",
        "One NAT64 gateway of a pool, and what its agent says about itself.",
        (
            ("Pool", "string", ".spec.pool", 0),
            ("Desired", "string", ".spec.desired", 0),
            ("Announced", "string", _READY.format("Announced"), 0),
            ("Healthy", "string", _READY.format("Healthy"), 0),
            ("Current", "string", _READY.format("Current"), 0),
            ("Version", "string", ".status.version", 0),
            ("Rollout", "string", ".status.rollout", 0),
            ("Order", "string", ".status.order", 1),
            ("Wanted", "string", ".status.wantedVersion", 1),
            ("Last-Packet", "date", ".status.lastPacketTime", 1),
            ("Diagnosis", "string", ".status.diagnosis", 1),
            _AGE,
        ),
    ),
    "EgressPolicy": Kind(
        "egresspolicies", "epol",
        "How pods of a namespace reach IPv4, by which pool and by which public addresses.",
        (
            ("IPv4", "string", ".spec.ipv4", 0),
            ("Pool", "string", ".spec.pool", 0),
            ("Address", "string", ".spec.address", 0),
            ("Priority", "integer", ".spec.priority", 0),
            ("Accepted", "string", _READY.format("Accepted"), 0),
            ("Programmed", "string", ".status.programmed", 0),
            ("Pods", "integer", ".status.pods", 0),
            ("Addresses", "string", ".status.addresses", 1),
            ("Reason", "string", _REASON.format("Accepted"), 1),
            _AGE,
        ),
        spec_rules=(
            (
                "!has(self.ipv4) || self.ipv4 == 'Translate' || "
                "(self.pool == '' && size(self.domains) == 0 && self.address == 'Shared')",
                "ipv4 Native and Deny go with no pool, no domains and address Shared",
            ),
        ),
        scope="Namespaced",
    ),
    "EgressAllocation": Kind(
        "egressallocations", "ealloc",
        "One public address or one share of its ports, and who has it. Written by the controller alone: "
        "its name is the share, so that the API server refuses to give it twice.",
        (
            ("Pool", "string", ".spec.pool", 0),
            ("Use", "string", ".spec.use", 0),
            ("Gateway", "string", ".spec.gateway", 0),
            ("Owner-Kind", "string", ".spec.owner.kind", 0),
            ("Namespace", "string", ".spec.owner.namespace", 0),
            ("Owner", "string", ".spec.owner.name", 0),
            ("Since", "date", ".spec.since", 0),
            ("Released", "date", ".spec.releasedAt", 0),
        ),
        rules=(
            # Two rules: the server's estimate of what one would cost is too high.
            (
                "self.spec.use == 'Share' || self.metadata.name == self.spec.address.replace('.', '-')",
                "metadata.name must be the share: the address, for example 192-0-2-11",
            ),
            (
                "self.spec.use != 'Share' || self.metadata.name == "
                "'%s-%d'.format([self.spec.address.replace('.', '-'), self.spec.firstPort])",
                "metadata.name must be the share: address and first port, for example 192-0-2-11-20480",
            ),
        ),
        spec_rules=(
            ("self.address == oldSelf.address", "address cannot be changed"),
            ("self.firstPort <= self.lastPort", "firstPort is larger than lastPort"),
        ),
    ),
}  # fmt: skip


def crds() -> list[Schema]:
    """Give all CRDs as JSON values."""
    return [_crd(name, kind) for name, kind in KINDS.items()]


def _crd(name: str, kind: Kind) -> Schema:
    spec = _structural(SPECS[name].model_json_schema(by_alias=True))
    spec["x-kubernetes-validations"] = _rules(kind.spec_rules) or None
    schema: Schema = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _without_none(spec),
        },
        "x-kubernetes-validations": _rules(kind.rules) or None,
    }
    version: Schema = {"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    if name in STATUS:
        schema["properties"]["status"] = STATUS[name]
        version["subresources"] = {"status": {}}
    schema |= _without_none(schema)
    schema.pop("x-kubernetes-validations") if not kind.rules else None
    version["additionalPrinterColumns"] = [_column(*column) for column in kind.columns]
    names = {"kind": name, "listKind": f"{name}List", "plural": kind.plural, "singular": name.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {**names, "shortNames": [kind.short], "categories": ["egress"]},
            "versions": [version],
        },
    }


def _rules(pairs: tuple[tuple[str, str], ...]) -> list[Schema]:
    return [{"rule": rule, "message": message} for rule, message in pairs]


def _column(name: str, type_: str, path: str, priority: int) -> Schema:
    return {"name": name, "type": type_, "jsonPath": path} | ({"priority": priority} if priority else {})


def _without_none(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if value is not None}


_KEPT = (
    "type", "description", "enum", "default", "pattern", "format", "minLength", "maxLength", "minimum", "maximum",
    "minItems", "maxItems", "required", "x-kubernetes-validations",
)  # fmt: skip


def _structural(schema: Schema, definitions: Schema | None = None) -> Schema:
    """A structural schema of Kubernetes from pydantic's: references put in place, no titles, no `null`."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    schema = _resolved(schema, definitions)
    found: Schema = {key: schema[key] for key in _KEPT if schema.get(key) is not None}
    if "properties" in schema:
        found["properties"] = {name: _structural(one, definitions) for name, one in schema["properties"].items()}
    if "items" in schema:
        found["items"] = _structural(schema["items"], definitions)
    if isinstance(schema.get("additionalProperties"), dict):
        found["additionalProperties"] = _structural(schema["additionalProperties"], definitions)
    if schema.get("type") == "integer":
        found["format"] = "int32"
    return found


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    if "anyOf" in schema:
        (one,) = [one for one in schema["anyOf"] if one.get("type") != "null"]
        schema = one | {key: value for key, value in schema.items() if key != "anyOf"}
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        schema = target | {key: value for key, value in schema.items() if key != "$ref"}
    return schema
