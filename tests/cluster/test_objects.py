"""Our objects at the real API server: what it refuses and with which words, what kubectl shows of them."""

import copy
from typing import Any

import pytest

from kun_cluster.formats.egress_objects import ObjectError, read_egress_object
from kun_cluster.model.egress import API_VERSION
from tests.cluster.api_server import Cluster, Refused, path_of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]


def pool(name: str, **spec: Any) -> dict[str, Any]:
    return made("EgressPool", name, {"vip": "203.0.113.1", **spec})


def policy(name: str, **spec: Any) -> dict[str, Any]:
    return made("EgressPolicy", name, spec)


def allocation(name: str, **spec: Any) -> dict[str, Any]:
    owner = {"kind": "EgressGateway", "name": "gw1"}
    return made("EgressAllocation", name, {"pool": "a", "use": "SharedAddress", "owner": owner, **spec})


def made(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no VIP": (made("EgressPool", "p", {}), "spec.vip: Required"),
    "a VIP that is none": (pool("p", vip="203.0.113"), "must be an IPv4 address"),
    "an IPv6 VIP": (pool("p", vip="2001:db8::1"), "must be an IPv4 address"),
    "host bits": (pool("p", publicNetworks=["192.0.2.1/24"]), "has host bits set"),
    "an IPv6 network": (pool("p", publicNetworks=["2001:db8::/32"]), "must be an IPv4 network"),
    "a network too large": (pool("p", publicNetworks=["10.0.0.0/8"]), "/16 to /32"),
    "another mode": (pool("p", mode="Both"), "spec.mode: Unsupported value"),
    "a share of another size": (pool("p", portsPerShare=1000), "spec.portsPerShare: Unsupported value"),
    "a duration in words": (pool("p", coolDown="soon"), "spec.coolDown"),
    "a domain with spaces": (pool("p", domains=["exa mple.org"]), "spec.domains[0]"),
    "its own fallback": (pool("p", fallback="p"), "names the pool itself"),
    "a misspelt field": (pool("p", defualt=True), "defualt"),
    "a gateway without an agent": (made("EgressGateway", "g", {"pool": "a"}), "spec.admin: Required"),
    "an agent by FTP": (made("EgressGateway", "g", {"pool": "a", "admin": "ftp://x"}), "spec.admin"),
    "native by a pool": (policy("q", ipv4="Native", pool="a"), "Native and Deny go with no pool"),
    "deny with a dedicated address": (policy("q", ipv4="Deny", address="Dedicated"), "Native and Deny go with no pool"),
    "a priority too high": (policy("q", priority=5000), "spec.priority"),
    "an allocation of another name": (
        allocation("192-0-2-12", address="192.0.2.11"),
        "metadata.name must be the share",
    ),
    "a share named as an address": (
        allocation("192-0-2-11", address="192.0.2.11", use="Share", firstPort=20480, lastPort=21503),
        "metadata.name must be the share",
    ),
    "ports the wrong way round": (
        allocation("192-0-2-11-20480", address="192.0.2.11", use="Share", firstPort=20480, lastPort=20000),
        "firstPort is larger",
    ),
    "a time in a zone that is none": (
        allocation("192-0-2-11", address="192.0.2.11", since="2026-01-01T00:00:00+99:99"),
        "spec.since",
    ),
    "a release in the year 0": (
        allocation("192-0-2-11", address="192.0.2.11", releasedAt="0000-01-01T00:00:00Z"),
        "spec.releasedAt",
    ),
    "a release that no clock reaches": (
        allocation("192-0-2-11", address="192.0.2.11", releasedAt="9999-12-31T23:59:59-23:59"),
        "must be a time from 1970 to 9999",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_contradicts_itself_is_refused_by_the_api_server(
    cluster: Cluster, case: tuple[dict[str, Any], str]
) -> None:
    obj, words = case
    with pytest.raises(Refused) as refused:
        cluster.apply(obj)
    assert words in str(refused.value)


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_and_by_the_reader_of_files(case: tuple[dict[str, Any], str]) -> None:
    obj, _ = case
    with pytest.raises(ObjectError):
        read_egress_object(obj["kind"], obj, strict=True)


def test_defaults_of_the_server_are_those_of_the_reader(cluster: Cluster) -> None:
    for obj in (
        pool("defaults"),
        policy("defaults"),
        made("EgressGateway", "defaults", {"pool": "a", "admin": "http://x:1"}),
    ):
        stored = cluster.apply(copy.deepcopy(obj))
        bare = {**obj, "metadata": stored["metadata"]}
        assert read_egress_object(obj["kind"], stored, strict=True) == read_egress_object(
            obj["kind"], bare, strict=True
        )
        cluster.delete(obj)


CHANGES = {
    "the VIP": (pool("fixed"), {"vip": "203.0.113.9"}, "cannot be changed"),
    "the mode": (pool("fixed"), {"mode": "ActiveStandby"}, "cannot be changed"),
    "the size of a share": (pool("fixed"), {"portsPerShare": 2048}, "cannot be changed"),
    "a gateway's pool": (
        made("EgressGateway", "fixed", {"pool": "a", "admin": "http://x:1"}),
        {"pool": "b"},
        "cannot be changed",
    ),
    "an allocation's owner": (
        allocation("192-0-2-77", address="192.0.2.77"),
        {"owner": {"kind": "EgressGateway", "name": "gw2"}},
        "cannot be changed",
    ),
}


@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES)
def test_what_others_rely_on_cannot_be_changed(
    cluster: Cluster, case: tuple[dict[str, Any], dict[str, Any], str]
) -> None:
    obj, change, words = case
    cluster.apply(copy.deepcopy(obj))
    with pytest.raises(Refused, match=words):
        cluster.apply({**obj, "spec": obj["spec"] | change})
    cluster.delete(obj)


def test_one_share_is_made_once_whoever_makes_it(cluster: Cluster) -> None:
    obj = allocation("192-0-2-78", address="192.0.2.78")
    where = path_of(obj).rsplit("/", 1)[0]
    cluster.request("POST", where, obj)
    other = {**obj, "spec": obj["spec"] | {"owner": {"kind": "EgressGateway", "name": "gw2"}}}
    with pytest.raises(Refused) as refused:
        cluster.request("POST", where, other)
    assert refused.value.code == 409
    cluster.delete(obj)


def test_a_release_may_be_noted_and_taken_back(cluster: Cluster) -> None:
    obj = allocation("192-0-2-79", address="192.0.2.79")
    cluster.apply(copy.deepcopy(obj))
    cluster.apply({**obj, "spec": obj["spec"] | {"releasedAt": "2026-11-30T12:00:00Z"}})
    assert "releasedAt" not in cluster.apply(obj)["spec"]
    cluster.delete(obj)


def test_kubectl_get_shows_what_matters(cluster: Cluster) -> None:
    cluster.apply(pool("shown", publicNetworks=["192.0.2.0/28"]))
    status = {
        "gateways": "2/3",
        "current": "1/3",
        "shares": {"free": 7, "taken": 1, "cooling": 2},
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Ready",
                "message": "x",
                "lastTransitionTime": "2026-11-30T12:00:00Z",
            }
        ],
    }
    cluster.apply({**pool("shown"), "spec": None, "status": status} | {"spec": {}}, status=True)
    shown = cluster.kubectl("get", "epool", "shown")
    assert shown.returncode == 0, shown.stderr
    head, row = shown.stdout.splitlines()
    assert head.split() == [
        "NAME", "VIP", "MODE", "DEFAULT", "READY", "GATEWAYS", "FREE", "TAKEN", "COOLING", "CURRENT", "ROLLOUT", "AGE",
    ]  # fmt: skip
    assert row.split()[:10] == ["shown", "203.0.113.1", "Spread", "false", "True", "2/3", "7", "1", "2", "1/3"]
    cluster.delete(pool("shown"))


def test_kubectl_explain_is_the_reference(cluster: Cluster) -> None:
    shown = cluster.kubectl("explain", "egresspolicy.spec.ipv4")
    assert "their own IPv4" in shown.stdout
    assert {"Translate", "Native", "Deny"} <= set(shown.stdout.split("DESCRIPTION")[0].split())


def test_a_status_leaves_the_generation_alone(cluster: Cluster) -> None:
    before = cluster.apply(policy("still"))
    after = cluster.apply({**policy("still"), "status": {"pods": 3}}, status=True)
    assert after["status"]["pods"] == 3
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    cluster.delete(policy("still"))
