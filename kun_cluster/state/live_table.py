"""The table kept up to date pod by pod: what compiling from scratch would give, at the price of what has changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kun_cluster.formats.record_text import Record
from kun_cluster.model.objects import Objects
from kun_cluster.model.problem import Problem
from kun_cluster.model.table import Client, Table
from kun_cluster.model.workload import Pod
from kun_cluster.policy.claims import claim_problems, claimed, holder
from kun_cluster.policy.decision import Decision, decide
from kun_cluster.policy.ruleset import RuleSet
from kun_cluster.state.pod_survey import PodKey, PodSurvey


@dataclass(frozen=True, slots=True)
class Touched:
    """One record that changed: None where there was or is none."""

    kind: str
    key: str
    old: Record | None
    new: Record | None


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of all pods together. `pods`: how many each policy is in force for, by NAMESPACE/NAME."""

    problems: tuple[Problem, ...]
    pods: Mapping[str, int]


class LiveTable:
    """Pods, who claims which address, and the clients that follow. Changes are collected until `take_changes`."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._pods: dict[PodKey, Pod] = {}
        self._claims: dict[str, tuple[PodKey, ...]] = {}
        self._clients: dict[str, Client] = {}
        self._old: dict[tuple[str, str], Record | None] = {}
        self._pod_survey, self._contested = PodSurvey(), set[str]()
        self._survey: Survey | None = None
        self._put_rules(None, rules)

    @property
    def rules(self) -> RuleSet:
        return self._rules

    @property
    def pods(self) -> Mapping[PodKey, Pod]:
        return self._pods

    def table(self) -> Table:
        """Give the table as it is now. Its maps are the live ones: copy what is to be kept."""
        rules = self._rules
        return Table(rules.pool_records, rules.gateway_records, rules.classes, self._clients)

    def put_pod(self, pod: Pod) -> None:
        """Take a pod that is new or has changed."""
        self._survey = None
        old = self._pods.get(pod.key)
        self._pods[pod.key] = pod
        self._pod_survey.decided(pod.key, decide(pod, self._rules))
        if old is not None and _claims_the_same(old, pod):
            for address in claimed(pod):
                self._settle(address)
            return
        self._pod_survey.addressed(pod)
        self._claim(pod.key, old, pod)

    def drop_pod(self, key: PodKey) -> None:
        """Forget a pod that is gone."""
        self._survey = None
        old = self._pods.pop(key, None)
        if old is not None:
            self._pod_survey.forget(key)
            self._claim(key, old, None)

    def replace_pods(self, pods: Iterable[Pod]) -> None:
        """Take a list of all pods: those not in it are gone."""
        listed = {pod.key: pod for pod in pods}
        for key in self._pods.keys() - listed.keys():
            self.drop_pod(key)
        for pod in listed.values():
            if self._pods.get(pod.key) != pod:
                self.put_pod(pod)

    def put_rules(self, rules: RuleSet) -> None:
        """Take new rules, and decide every pod anew."""
        self._survey = None
        before, self._rules = self._rules, rules
        self._put_rules(before, rules)
        for key, pod in self._pods.items():
            self._pod_survey.decided(key, decide(pod, rules))
        for address in self._claims:
            self._settle(address)

    def take_changes(self) -> list[Touched]:
        """Give what has changed since the last call."""
        changes = []
        for (kind, key), old in self._old.items():
            new = self._now(kind, key)
            if new != old:
                changes.append(Touched(kind, key, old, new))
        self._old.clear()
        return changes

    def decision(self, pod: Pod) -> Decision:
        """Decide one pod under the rules in force."""
        return decide(pod, self._rules)

    def holder_of(self, address: str) -> Pod | None:
        """The pod that holds an address."""
        keys = self._claims.get(address)
        return holder(self._pods[key] for key in keys) if keys else None

    def problems(self) -> list[Problem]:
        """Everything wrong with objects that the API server accepted, sorted."""
        return list(self.survey().problems)

    def survey(self) -> Survey:
        """Give what is known of all pods; the same survey until something changes."""
        if self._survey is None:
            self._survey = self._surveyed()
        return self._survey

    def _surveyed(self) -> Survey:
        found = [*self._rules.problems, *self._pod_survey.problems()]
        for address in self._contested:
            found += claim_problems(address, [self._pods[key] for key in self._claims[address]])
        return Survey(tuple(sorted(set(found))), self._pod_survey.pods())

    def _now(self, kind: str, key: str) -> Record | None:
        table = self.table()
        where: Mapping[str, Mapping[str, Record]] = {
            "pool": table.pools,
            "gateway": table.gateways,
            "class": table.classes,
            "client": table.clients,
        }
        return where[kind].get(key)

    def _put_rules(self, before: RuleSet | None, rules: RuleSet) -> None:
        for kind, old, new in (
            ("pool", before and before.pool_records, rules.pool_records),
            ("gateway", before and before.gateway_records, rules.gateway_records),
            ("class", before and before.classes, rules.classes),
        ):
            self._note_all(kind, old or {}, new)
        old_nodes = before.node_clients if before is not None else {}
        for network in old_nodes.keys() | rules.node_clients.keys():
            if network not in self._claims:
                self._set_client(network, rules.node_clients.get(network))

    def _note_all(self, kind: str, old: Mapping[str, Record], new: Mapping[str, Record]) -> None:
        for key in old.keys() | new.keys():
            if old.get(key) != new.get(key):
                self._old.setdefault((kind, key), old.get(key))

    def _claim(self, key: PodKey, old: Pod | None, new: Pod | None) -> None:
        before = claimed(old) if old is not None else ()
        after = claimed(new) if new is not None else ()
        for address in before:
            if address not in after:
                left = tuple(other for other in self._claims[address] if other != key)
                if left:
                    self._claims[address] = left
                else:
                    del self._claims[address]
                if len(left) < 2:
                    self._contested.discard(address)
                self._settle(address)
        for address in after:
            if address not in before:
                claims = self._claims[address] = (*self._claims.get(address, ()), key)
                if len(claims) > 1:
                    self._contested.add(address)
            self._settle(address)

    def _settle(self, address: str) -> None:
        """Bring the client record of one address up to date."""
        pod = self.holder_of(address)
        if pod is None:
            self._set_client(address, self._rules.node_clients.get(address))
        else:
            self._set_client(address, Client(decide(pod, self._rules).class_name, pod.namespace, pod.name))

    def _set_client(self, network: str, client: Client | None) -> None:
        old = self._clients.get(network)
        if old == client:
            return
        self._old.setdefault(("client", network), old)
        if client is None:
            del self._clients[network]
        else:
            self._clients[network] = client


def _claims_the_same(old: Pod, new: Pod) -> bool:
    """Most changes of a pod leave its addresses alone, and reading them is most of the work."""
    return (old.addresses, old.finished, old.host_network) == (new.addresses, new.finished, new.host_network)


def compile_objects(objects: Objects, rules: RuleSet) -> LiveTable:
    """Compile all objects at once."""
    live = LiveTable(rules)
    for _, pod in sorted(objects.pods.items()):
        live.put_pod(pod)
    return live
