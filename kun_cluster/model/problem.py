"""What is wrong with an object that the API server accepted: a condition on it, a line of `compile`."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """One word for log, metric, condition and test."""

    VIP_TAKEN = "VipTaken"
    VIP_NOT_GLOBAL = "VipNotGlobal"
    NETWORKS_OVERLAP = "NetworksOverlap"
    NETWORKS_TOO_MANY = "NetworksTooMany"
    NOT_THE_DEFAULT = "NotTheDefault"
    FALLBACK_NOT_FOUND = "FallbackNotFound"
    FALLBACK_LOOP = "FallbackLoop"
    DOMAIN_TAKEN = "DomainTaken"
    POOL_NOT_FOUND = "PoolNotFound"
    POOL_NOT_ALLOWED = "PoolNotAllowed"
    POOL_HAS_NO_ADDRESSES = "PoolHasNoAddresses"
    ADMIN_TAKEN = "AdminTaken"
    CONTRADICTION = "Contradiction"
    NO_IPV4 = "NoIPv4"
    ANNOTATION_NOT_UNDERSTOOD = "AnnotationNotUnderstood"
    ADDRESS_CLAIMED = "AddressClaimed"
    ADDRESS_UNUSABLE = "AddressUnusable"
    ALLOCATION_NOT_OWNED = "AllocationNotOwned"
    ALLOCATION_MISNAMED = "AllocationMisnamed"
    EXHAUSTED = "Exhausted"
    UNREADABLE = "Unreadable"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """`object` is kind and name; `fatal`: the whole object is not in force, else only the part the message names."""

    object: str
    reason: Reason
    message: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.object}: {self.reason}: {self.message}"
