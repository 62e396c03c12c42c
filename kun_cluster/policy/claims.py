"""Whose address is it? Addresses are given out again soon after a pod has gone; one has one holder, never two."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from kun_cluster.model.problem import Problem, Reason
from kun_cluster.model.workload import Pod

MAPPED = IPv6Network("::ffff:0:0/96")


def claimed(pod: Pod) -> tuple[str, ...]:
    """Addresses that the pod claims, in their shortest text.

    None when all its containers have ended: the address is free. None on the host's network: they are the node's.
    """
    if pod.finished or pod.host_network:
        return ()
    found = (usable(text) for text in pod.addresses)
    return tuple(dict.fromkeys(address for address in found if address is not None))


def usable(text: str) -> str | None:
    """The address in its shortest text; None for what no client can send from."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return None
    if address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local:
        return None
    if isinstance(address, IPv6Address) and (address in MAPPED or address.scope_id is not None):
        return None
    return str(address)


def holder(claimants: Iterable[Pod]) -> Pod:
    """Decide who holds an address: a pod that stays before one that has been told to go; then the older claim."""
    return min(claimants, key=lambda pod: (pod.terminating, not pod.created, pod.created, pod.uid, pod.key))


def claim_problems(address: str, claimants: Iterable[Pod]) -> list[Problem]:
    """Tell the pods that do not get the address who holds it."""
    pods = list(claimants)
    if len(pods) < 2:
        return []
    first = holder(pods)
    why = "is older" if not any(pod.terminating for pod in pods) else "stays, or is older"
    text = f"address {address} is held by {first}, which {why}"
    return [Problem(str(pod), Reason.ADDRESS_CLAIMED, text, fatal=False) for pod in pods if pod is not first]


def unusable_addresses(pod: Pod) -> list[Problem]:
    """Name the addresses of the pod that cannot be a client's."""
    bad = [text for text in pod.addresses if usable(text) is None]
    return [
        Problem(
            str(pod), Reason.ADDRESS_UNUSABLE, f"podIP {text!r} is not an address that a pod can send from", fatal=False
        )
        for text in bad
    ]
