"""Which class a pod is in, and which of two objects that contradict each other is in force."""

from ipaddress import IPv4Address

import pytest

from kun_cluster.model.egress import AllowedNamespaces, EgressAllocation, Ipv4, Meta, Owner, PoolDomains, Use
from kun_cluster.model.problem import Reason
from kun_cluster.model.selector import Expression, Operator, Selector
from kun_cluster.model.workload import IPV4_ENABLED, Namespace, Node
from tests.controller.objects import dedicated, gateway, live, pod, policy, pool, rules

POD = "2002:a01:2:1::10"


@pytest.mark.parametrize(
    ("annotation", "label", "ipv4", "class_name"),
    [
        pytest.param(None, None, "none", "default", id="nothing-said-is-synthesis"),
        pytest.param("true", None, "none", "native", id="true-is-real-answers"),
        pytest.param("false", None, "none", "default", id="false-is-synthesis"),
        pytest.param(None, "true", "none", "native", id="the-namespaces-label-counts-where-the-pod-says-nothing"),
        pytest.param("false", "true", "none", "default", id="the-pod-comes-before-its-namespace"),
        pytest.param("maybe", None, "none", "default", id="an-annotation-not-understood-is-left-out"),
        pytest.param("maybe", "true", "none", "native", id="and-the-label-counts-then"),
        pytest.param(None, None, None, "team-00/web", id="a-policy-without-ipv4-translates"),
        pytest.param("true", None, None, "team-00/web;native", id="or-leaves-it-to-the-annotation"),
        pytest.param("true", None, Ipv4.TRANSLATE, "team-00/web", id="translate-for-a-pod-with-ipv4"),
        pytest.param(None, None, Ipv4.NATIVE, "team-00/web;native", id="native-where-nobody-denies-it"),
        pytest.param("false", None, Ipv4.NATIVE, "team-00/web", id="native-cannot-give-a-pod-ipv4"),
        pytest.param("true", None, Ipv4.DENY, "team-00/web;deny", id="deny-for-a-pod-with-ipv4"),
        pytest.param("false", None, Ipv4.DENY, "team-00/web;deny", id="deny-for-a-pod-without"),
    ],
)
def test_annotation_label_and_policy(annotation: str | None, label: str | None, ipv4: object, class_name: str) -> None:
    objects = [pod("web-0", POD, ipv4_enabled=annotation)]
    if label is not None:
        objects.append(Namespace("team-00", {IPV4_ENABLED: label}))
    if ipv4 != "none":
        objects.append(policy(ipv4=ipv4))
    found = live(*objects)
    assert found.table().clients[POD].class_name == class_name
    assert class_name in found.table().classes


def test_native_for_a_pod_without_ipv4_names_both_and_what_is_in_force() -> None:
    (problem,) = live(policy(ipv4=Ipv4.NATIVE), pod("web-0", POD, ipv4_enabled="false")).problems()
    assert (problem.object, problem.reason) == ("EgressPolicy team-00/web", Reason.NO_IPV4)
    assert "Pod team-00/web-0" in problem.message
    assert "Translate is" in problem.message


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        pytest.param({"priority": 1}, {"priority": 2}, "b", id="the-higher-priority"),
        pytest.param({"created": 2}, {"created": 1}, "b", id="among-equals-the-older"),
        pytest.param({}, {}, "a", id="then-the-name"),
        pytest.param({"created": 2, "priority": 5}, {"created": 1}, "a", id="priority-before-age"),
    ],
)
def test_which_policy_wins_is_never_chance(first: dict[str, int], second: dict[str, int], winner: str) -> None:
    one, other = policy("a", **first), policy("b", **second)
    for objects in ((one, other), (other, one)):
        assert live(*objects, pod("web-0", POD)).table().clients[POD].class_name == f"team-00/{winner}"


def test_a_policy_is_for_the_pods_it_selects_in_its_own_namespace() -> None:
    found = live(
        policy(app="web"),
        pod("web-0", "2002:a01::1", app="web"),
        pod("db-0", "2002:a01::2", app="db"),
        pod("web-0", "2002:a01::3", namespace="team-01", app="web"),
    )
    classes = {address: client.class_name for address, client in found.table().clients.items()}
    assert classes == {"2002:a01::1": "team-00/web", "2002:a01::2": "default", "2002:a01::3": "default"}


@pytest.mark.parametrize(
    ("expression", "labels", "expected"),
    [
        (Expression("tier", Operator.IN, frozenset({"a"})), {"tier": "a"}, True),
        (Expression("tier", Operator.IN, frozenset({"a"})), {}, False),
        (Expression("tier", Operator.NOT_IN, frozenset({"a"})), {"tier": "a"}, False),
        (Expression("tier", Operator.NOT_IN, frozenset({"a"})), {}, True),
        (Expression("tier", Operator.EXISTS), {"tier": ""}, True),
        (Expression("tier", Operator.EXISTS), {}, False),
        (Expression("tier", Operator.DOES_NOT_EXIST), {}, True),
        (Expression("tier", Operator.DOES_NOT_EXIST), {"tier": "a"}, False),
    ],
)
def test_label_expressions_are_those_of_kubernetes(
    expression: Expression, labels: dict[str, str], expected: bool
) -> None:
    assert Selector((), (expression,)).matches(labels) is expected


CONTRADICTIONS = {
    "two pools, one VIP": ((pool("a"), pool("b", created=2)), "EgressPool b", Reason.VIP_TAKEN, "EgressPool a"),
    "public networks overlap": (
        (pool("a", networks="192.0.2.0/24"), pool("b", "203.0.113.2", created=2, networks="192.0.2.16/28")),
        "EgressPool b",
        Reason.NETWORKS_OVERLAP,
        "192.0.2.0/24 of EgressPool a",
    ),
    "two defaults": (
        (pool("a", is_default=True), pool("b", "203.0.113.2", created=2, is_default=True)),
        "EgressPool b",
        Reason.NOT_THE_DEFAULT,
        "EgressPool a is the default pool already",
    ),
    "one domain in two pools": (
        (pool("a", domains=("example.org",)), pool("b", "203.0.113.2", created=2, domains=("example.org",))),
        "EgressPool b",
        Reason.DOMAIN_TAKEN,
        "EgressPool a",
    ),
    "fallbacks in a circle": (
        (pool("a", fallback="b"), pool("b", "203.0.113.2", created=2, fallback="a")),
        "EgressPool b",
        Reason.FALLBACK_LOOP,
        "leads back to b",
    ),
    "fallback to nowhere": ((pool("a", fallback="x"),), "EgressPool a", Reason.FALLBACK_NOT_FOUND, "fallback x"),
    "a private VIP": ((pool("a", "10.0.0.1"),), "EgressPool a", Reason.VIP_NOT_GLOBAL, "RFC 3056"),
    "a multicast VIP": (
        (pool("a", "224.0.0.1", allow_nonglobal_vip=True),),
        "EgressPool a",
        Reason.VIP_NOT_GLOBAL,
        "224.0.0.1",
    ),
    "marks that would collide": (
        (pool("a", networks="192.0.2.0/24 198.0.2.0/25"),),
        "EgressPool a",
        Reason.NETWORKS_TOO_MANY,
        "last 16 bits",
    ),
    "two gateways, one agent": (
        (pool(), gateway("a", admin="http://x"), gateway("b", created=2, admin="http://x")),
        "EgressGateway b",
        Reason.ADMIN_TAKEN,
        "EgressGateway a",
    ),
    "a gateway of no pool": ((gateway("a", of="x"),), "EgressGateway a", Reason.POOL_NOT_FOUND, "pool x"),
    "a policy with no pool": ((policy(pool="x"),), "EgressPolicy team-00/web", Reason.POOL_NOT_FOUND, "pool x"),
    "a pool not allowed": (
        (pool(allowed=AllowedNamespaces(frozenset({"team-01"}))), policy(pool="standard")),
        "EgressPolicy team-00/web",
        Reason.POOL_NOT_ALLOWED,
        "EgressPool standard",
    ),
    "one name, two pools": (
        (
            pool("a"),
            pool("b", "203.0.113.2"),
            policy(domains=(PoolDomains("a", ("x.org",)), PoolDomains("b", ("x.org",)))),
        ),
        "EgressPolicy team-00/web",
        Reason.CONTRADICTION,
        "to pool a and to pool b",
    ),
    "dedicated without addresses": (
        (pool(), dedicated(pool="standard")),
        "EgressPolicy team-00/web",
        Reason.POOL_HAS_NO_ADDRESSES,
        "EgressPool standard",
    ),
    "dedicated without a pool": (
        (dedicated(),),
        "EgressPolicy team-00/web",
        Reason.POOL_NOT_FOUND,
        "make one the default",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictory_objects_are_named_with_what_is_in_force(
    case: tuple[tuple[object, ...], str, Reason, str],
) -> None:
    objects, who, reason, words = case
    for order in (objects, objects[::-1]):
        (problem,) = rules(*order).problems
        assert (problem.object, problem.reason) == (who, reason)
        assert words in problem.message


def test_a_policy_that_is_refused_leaves_its_pods_to_the_next_one() -> None:
    found = live(policy("a", pool="x", priority=9), policy("b"), pod("web-0", POD))
    assert found.table().clients[POD].class_name == "team-00/b"


def test_a_pool_not_allowed_hides_its_domains_and_the_default_one_refuses() -> None:
    only_01 = AllowedNamespaces(frozenset({"team-01"}))
    overseas = pool("overseas", "203.0.113.2", domains=("example.org",), allowed=only_01)
    found = live(overseas, pod("a", "2002:a01::1"), pod("b", "2002:a01::2", namespace="team-01")).table()
    assert found.classes[found.clients["2002:a01::1"].class_name].without == ("overseas",)
    assert found.classes[found.clients["2002:a01::2"].class_name].without == ()
    found = live(pool(is_default=True, allowed=only_01), pod("a", "2002:a01::1")).table()
    assert found.classes[found.clients["2002:a01::1"].class_name].deny


def test_namespaces_are_allowed_by_label_too() -> None:
    allowed = AllowedNamespaces(selector=Selector((("tier", "gold"),)))
    gold = Namespace("team-00", {"tier": "gold"})
    assert not rules(pool(allowed=allowed), policy(pool="standard"), gold).problems
    assert rules(pool(allowed=allowed), policy(pool="standard")).problems


@pytest.mark.parametrize(
    ("old", "new", "holder"),
    [
        pytest.param({}, {}, "old", id="the-older-claim-goes-first"),
        pytest.param({"finished": True}, {}, "new", id="a-pod-that-has-ended-claims-nothing"),
        pytest.param({"terminating": True}, {}, "new", id="a-pod-that-goes-gives-way"),
        pytest.param({"terminating": True}, {"terminating": True}, "old", id="both-go"),
        pytest.param({"host_network": True}, {}, "new", id="addresses-of-the-node-are-no-pods"),
    ],
)
def test_an_address_used_again_has_one_holder(old: dict[str, bool], new: dict[str, bool], holder: str) -> None:
    pods = [pod("old", POD, created=1, **old), pod("new", POD, created=2, **new)]
    for order in (pods, pods[::-1]):
        assert live(*order).table().clients[POD].name == holder


def test_two_claims_are_told_to_the_one_that_lost() -> None:
    (problem,) = live(pod("old", POD), pod("new", POD, created=2)).problems()
    assert (problem.object, problem.reason) == ("Pod team-00/new", Reason.ADDRESS_CLAIMED)
    assert "Pod team-00/old" in problem.message


def test_an_address_that_comes_free_goes_to_the_next_claim() -> None:
    found = live(pod("old", POD), pod("new", POD, created=2))
    found.drop_pod(("team-00", "old"))
    assert found.table().clients[POD].name == "new"
    found.drop_pod(("team-00", "new"))
    assert POD not in found.table().clients


@pytest.mark.parametrize(
    "address", ["", "::", "::1", "fe80::1", "ff02::1", "127.0.0.1", "::ffff:10.0.0.1", "x", "fe80::1%eth0"]
)
def test_an_address_nobody_can_send_from_is_no_client(address: str) -> None:
    found = live(pod("web-0", address or "0.0.0.0"))
    assert not found.table().clients
    (problem,) = found.problems()
    assert problem.reason is Reason.ADDRESS_UNUSABLE


def test_a_pod_without_an_address_is_no_client_until_it_has_one() -> None:
    found = live(pod("web-0"))
    assert not found.table().clients
    assert not found.problems()
    found.put_pod(pod("web-0", f"{POD} 10.1.2.3"))
    assert set(found.table().clients) == {POD, "10.1.2.3"}
    found.put_pod(pod("web-0", "2002:A01:2:1:0:0:0:11"))
    assert set(found.table().clients) == {"2002:a01:2:1::11"}


def test_a_nodes_network_is_treated_as_most_pods_are() -> None:
    found = live(Node("n1", ("2002:a01:2:1::/64", "10.1.0.0/24")), Node("n2", ("nonsense",)))
    assert {key: client.name for key, client in found.table().clients.items()} == {
        "2002:a01:2:1::/64": "node/n1",
        "10.1.0.0/24": "node/n1",
    }
    (problem,) = found.problems()
    assert problem.object == "Node n2"


def share(name: str, use: Use, owner: Owner, first: int = 0, last: int = 65535, at: str = "gw1") -> EgressAllocation:
    address = IPv4Address(".".join(name.split("-")[:4]))
    return EgressAllocation(Meta(name), "standard", address, use, owner, first, last, at, since=1.0)


def test_a_policys_own_addresses_and_mark() -> None:
    tenant, gw = Owner("EgressPolicy", "web", "team-00"), Owner("EgressGateway", "gw1")
    objects = (pool(networks="192.0.2.0/28", is_default=True), gateway(), dedicated(), pod("web-0", POD))
    before = live(*objects).table().classes["team-00/web"]
    assert (before.addresses, before.mark, before.address_required) == ((), 0, True)
    seat = share("192-0-2-1", Use.DEDICATED_ADDRESS, gw)
    own = share("192-0-2-1-20480", Use.SHARE, tenant, 20480, 21503)
    common = share("192-0-2-0", Use.SHARED_ADDRESS, gw)
    table = live(*objects, seat, own, common).table()
    (given,) = table.classes["team-00/web"].addresses
    assert (given.address, given.first_port, given.last_port, given.gateway) == ("192.0.2.1", 20480, 21503, "gw1")
    assert table.classes["team-00/web"].mark == ((0x0201 << 6) | 20) + 1
    assert [one.address for one in table.gateways["gw1"].addresses] == ["192.0.2.0"]
    assert table.gateways["gw1"].addresses[0].first_port == 1024


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        pytest.param({"name": "192-0-2-1-20481"}, Reason.ALLOCATION_MISNAMED, id="its-name-is-not-its-share"),
        pytest.param({"first": 20481, "name": "192-0-2-1-20481"}, Reason.ALLOCATION_NOT_OWNED, id="off-the-grid"),
        pytest.param({"last": 65535}, Reason.ALLOCATION_NOT_OWNED, id="longer-than-a-share"),
        pytest.param({"owner": Owner("EgressPolicy", "x", "team-00")}, Reason.ALLOCATION_NOT_OWNED, id="owner-gone"),
        pytest.param(
            {"owner": Owner("EgressPolicy", "web", "team-00", "other")}, Reason.ALLOCATION_NOT_OWNED, id="another-uid"
        ),
        pytest.param({"at": "gw2"}, Reason.ALLOCATION_NOT_OWNED, id="at-another-gateway"),
        pytest.param({"name": "192-0-2-99-20480"}, Reason.ALLOCATION_NOT_OWNED, id="outside-of-the-pool"),
    ],
)
def test_an_allocation_that_does_not_fit_is_not_in_force(wrong: dict[str, object], reason: Reason) -> None:
    tenant, gw = Owner("EgressPolicy", "web", "team-00"), Owner("EgressGateway", "gw1")
    fields = {"name": "192-0-2-1-20480", "owner": tenant, "first": 20480, "last": 21503, "at": "gw1"} | wrong
    own = share(use=Use.SHARE, **fields)
    objects = (pool(networks="192.0.2.0/28", is_default=True), gateway(), gateway("gw2"), dedicated())
    found = rules(*objects, share("192-0-2-1", Use.DEDICATED_ADDRESS, gw), own)
    assert found.classes["team-00/web"].addresses == ()
    assert [problem.reason for problem in found.problems] == [reason]
