"""What the watches have told: objects by kind, and the table that follows from them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kun_cluster.formats.egress_objects import EgressObject
from kun_cluster.formats.workload_objects import Workload
from kun_cluster.model.egress import EgressAllocation, EgressGateway, EgressPolicy, EgressPool
from kun_cluster.model.objects import Rules
from kun_cluster.model.problem import Problem, Reason
from kun_cluster.model.workload import Namespace, Node, Pod
from kun_cluster.policy.ruleset import compile_rules
from kun_cluster.state.live_table import LiveTable, Touched
from kun_cluster.state.lost_allocations import LostAllocations

RULE_KINDS = ("EgressPool", "EgressGateway", "EgressPolicy", "EgressAllocation", "Namespace", "Node")
KINDS = (*RULE_KINDS, "Pod")
Object = Workload | EgressObject


class World:
    """Takes objects as they come; `settle` brings the table up to date and gives what has changed."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[Any, Any]] = {kind: {} for kind in RULE_KINDS}
        self.versions: dict[str, int] = {}
        self.live = LiveTable(compile_rules(Rules()))
        self.lost = LostAllocations()
        self.unreadable: dict[tuple[str, str, str], Problem] = {}
        self._rules_changed = True

    @property
    def revision(self) -> int:
        """The newest resource version seen."""
        return max(self.versions.values(), default=0)

    def rules(self) -> Rules:
        """The few objects as they are now."""
        found = {kind: dict(objects) for kind, objects in self.objects.items()}
        return Rules(
            found["EgressPool"],
            found["EgressGateway"],
            found["EgressPolicy"],
            found["EgressAllocation"],
            found["Namespace"],
            found["Node"],
        )

    def list_all(self, kind: str, objects: Iterable[Object]) -> None:
        """Take all objects of a kind: what is not among them is gone."""
        self.unreadable = {key: problem for key, problem in self.unreadable.items() if key[0] != kind}
        if kind == "Pod":
            self.live.replace_pods(one for one in objects if isinstance(one, Pod))
            return
        before, self.objects[kind] = self.objects[kind], {key_of(one): one for one in objects}
        if kind == "EgressAllocation":
            for name in self.objects[kind]:
                self.lost.came(name)
            for name in before.keys() - self.objects[kind].keys():
                self.lost.went(before[name])
        self._rules_changed = True

    def put(self, kind: str, one: Object) -> None:
        """Take one object that is new or has changed."""
        if self.unreadable:
            self.unreadable.pop((kind, *_place_of(one)), None)
        if isinstance(one, Pod):
            self.live.put_pod(one)
        elif self.objects[kind].get(key_of(one)) != one:
            before = self.objects[kind].get(key_of(one))
            self.objects[kind][key_of(one)] = one
            if isinstance(one, EgressAllocation):
                self.lost.came(one.meta.name)
            self._rules_changed |= not _same_but_for_version(before, one)

    def drop(self, kind: str, namespace: str, name: str) -> None:
        """Forget one object. `namespace` "": its kind has none."""
        self.unreadable.pop((kind, namespace, name), None)
        if kind == "Pod":
            self.live.drop_pod((namespace, name))
        elif (gone := self.objects[kind].pop((namespace, name) if namespace else name, None)) is not None:
            if isinstance(gone, EgressAllocation):
                self.lost.went(gone)
            self._rules_changed = True

    def cannot_read(self, kind: str, namespace: str, name: str, why: str) -> None:
        """Note an object as it is now and cannot be read: what was read of it last stays in force."""
        where = f"{namespace}/{name}" if namespace else name
        known = self.live.pods if kind == "Pod" else self.objects[kind]
        key = (namespace, name) if namespace else name
        stays = "what was read of it last stays in force" if key in known else "it is not in force"
        text = f"cannot be read, {stays}: {why}"
        self.unreadable[kind, namespace, name] = Problem(f"{kind} {where}", Reason.UNREADABLE, text, fatal=False)

    def see(self, kind: str, version: str) -> None:
        """Note how far a watch has come."""
        if version.isdigit():
            self.versions[kind] = int(version)

    def settle(self) -> list[Touched]:
        """Compile the rules anew if one of them changed, and give every record that changed."""
        if self._rules_changed:
            self._rules_changed = False
            self.live.put_rules(compile_rules(self.rules()))
        return self.live.take_changes()

    def problems(self) -> list[Problem]:
        """What is wrong with objects that the API server accepted."""
        return [*self.unreadable.values(), *self.live.problems()]


def key_of(one: Object) -> Any:
    """The key of an object within its kind."""
    match one:
        case EgressPolicy():
            return one.meta.namespace, one.meta.name
        case EgressPool() | EgressGateway() | EgressAllocation():
            return one.meta.name
        case Pod():
            return one.key
        case Namespace() | Node():
            return one.name


def _place_of(one: Object) -> tuple[str, str]:
    """Namespace ("" for a kind without one) and name."""
    match one:
        case Pod():
            return one.key
        case Namespace() | Node():
            return "", one.name
        case _:
            return one.meta.namespace, one.meta.name


def _same_but_for_version(before: Object | None, now: Object) -> bool:
    """A status that was written changes nothing but the version."""
    if before is None or isinstance(before, Pod | Namespace | Node) or isinstance(now, Pod | Namespace | Node):
        return before == now
    if type(before) is not type(now):
        return False
    return replace(before, meta=now.meta) == now and (before.meta.uid, before.meta.deleting) == (
        now.meta.uid,
        now.meta.deleting,
    )
