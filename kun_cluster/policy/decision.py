"""One pod: which policy is for it, and its class."""

from dataclasses import dataclass

from kun_cluster.model.egress import EgressPolicy, Ipv4
from kun_cluster.model.problem import Problem, Reason
from kun_cluster.model.table import NATIVE_CLASS
from kun_cluster.model.workload import IPV4_ENABLED, Pod
from kun_cluster.policy.classes import class_name
from kun_cluster.policy.ruleset import RuleSet


@dataclass(frozen=True, slots=True)
class Decision:
    """`why`: a sentence for people. `has_ipv4`: as the annotation or the namespace's label says; None: neither does."""

    class_name: str
    policy: EgressPolicy | None
    has_ipv4: bool | None
    why: str
    problems: tuple[Problem, ...] = ()


def decide(pod: Pod, rules: RuleSet) -> Decision:
    """Decide the class of a pod. The annotation says whether it *has* IPv4; a policy cannot give it any."""
    has_ipv4, source, problems = _ipv4(pod, rules)
    policy = next((one for one in rules.policies.get(pod.namespace, ()) if one.pod_selector.matches(pod.labels)), None)
    if policy is None:
        if has_ipv4:
            return Decision(NATIVE_CLASS, None, has_ipv4, f"{source}; no policy selects it", problems)
        name = rules.class_without_policy(pod.namespace)
        return Decision(name, None, has_ipv4, f"{source}; no policy selects it", problems)
    match policy.ipv4:
        case Ipv4.TRANSLATE | Ipv4.DENY as ipv4:
            why = f"{policy} says {ipv4}"
        case Ipv4.NATIVE if has_ipv4 is False:
            text = f"{policy} says Native, but the pod has no IPv4 ({source}): Translate is in force"
            ipv4, why, problems = Ipv4.TRANSLATE, text, (*problems, _without_ipv4(pod, policy, source))
        case Ipv4.NATIVE as ipv4:
            why = f"{policy} says Native"
        case None:
            ipv4 = Ipv4.NATIVE if has_ipv4 else Ipv4.TRANSLATE
            why = f"{source}; {policy} leaves it at that"
    return Decision(class_name(policy, ipv4), policy, has_ipv4, why, problems)


def _without_ipv4(pod: Pod, policy: EgressPolicy, source: str) -> Problem:
    text = f"ipv4 Native is not in force for {pod}: {source}; Translate is"
    return Problem(str(policy), Reason.NO_IPV4, text, fatal=False)


def _ipv4(pod: Pod, rules: RuleSet) -> tuple[bool | None, str, tuple[Problem, ...]]:
    """Has the pod IPv4, who says so, and what of it is not understood."""
    problems: tuple[Problem, ...] = ()
    if pod.ipv4_enabled is not None:
        found = _truth(pod.ipv4_enabled)
        if found is not None:
            return found, f'annotation {IPV4_ENABLED} is "{pod.ipv4_enabled}"', ()
        problems = (_not_understood(str(pod), "annotation", pod.ipv4_enabled),)
    namespace = rules.namespaces.get(pod.namespace)
    label = None if namespace is None else namespace.labels.get(IPV4_ENABLED)
    if label is not None:
        found = _truth(label)
        if found is not None:
            return found, f'label {IPV4_ENABLED} of {namespace} is "{label}"', problems
        problems = (*problems, _not_understood(str(namespace), "label", label))
    return None, f"no annotation {IPV4_ENABLED}", problems


def _truth(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.strip().lower())


def _not_understood(owner: str, kind: str, value: str) -> Problem:
    text = f'{kind} {IPV4_ENABLED} is "{value}"; must be "true" or "false"; ignored'
    return Problem(owner, Reason.ANNOTATION_NOT_UNDERSTOOD, text, fatal=False)
