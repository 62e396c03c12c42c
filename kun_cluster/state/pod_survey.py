"""What statuses need to know of all pods, kept pod by pod: looking at every pod would cost more than a change does."""

from collections import Counter
from collections.abc import Iterator, Mapping

from kun_cluster.model.problem import Problem
from kun_cluster.model.workload import Pod
from kun_cluster.policy.claims import unusable_addresses
from kun_cluster.policy.decision import Decision

PodKey = tuple[str, str]


class PodSurvey:
    """Pods by policy, and the problems of those that have any."""

    def __init__(self) -> None:
        self._policy_of: dict[PodKey, str] = {}
        self._counts: Counter[str] = Counter()
        self._of_decision: dict[PodKey, tuple[Problem, ...]] = {}
        self._of_addresses: dict[PodKey, list[Problem]] = {}

    def decided(self, key: PodKey, decision: Decision) -> None:
        """Note the decision about a pod."""
        policy = decision.policy.meta.full_name if decision.policy is not None else ""
        before = self._policy_of.get(key, "")
        if policy != before:
            self._leave(key)
            if policy:
                self._policy_of[key] = policy
                self._counts[policy] += 1
        if decision.problems:
            self._of_decision[key] = decision.problems
        else:
            self._of_decision.pop(key, None)

    def addressed(self, pod: Pod) -> None:
        """Note the addresses of a pod."""
        problems = unusable_addresses(pod)
        if problems:
            self._of_addresses[pod.key] = problems
        else:
            self._of_addresses.pop(pod.key, None)

    def forget(self, key: PodKey) -> None:
        """Forget a pod that is gone."""
        self._leave(key)
        self._of_decision.pop(key, None)
        self._of_addresses.pop(key, None)

    def pods(self) -> Mapping[str, int]:
        """How many pods each policy is in force for, by NAMESPACE/NAME."""
        return dict(self._counts)

    def problems(self) -> Iterator[Problem]:
        """Everything wrong with single pods."""
        for found in (*self._of_decision.values(), *self._of_addresses.values()):
            yield from found

    def _leave(self, key: PodKey) -> None:
        policy = self._policy_of.pop(key, "")
        if policy:
            self._counts[policy] -= 1
            if not self._counts[policy]:
                del self._counts[policy]
