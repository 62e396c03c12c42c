"""The special-use names that may be answered here, as the configuration calls them."""

from enum import StrEnum


class SpecialName(StrEnum):
    """`private-reverse`: the reverse zones of the private IPv4 networks, 10.in-addr.arpa and its like."""

    LOCALHOST = "localhost"
    TEST = "test"
    INVALID = "invalid"
    ONION = "onion"
    ALT = "alt"
    HOME_ARPA = "home.arpa"
    RESOLVER_ARPA = "resolver.arpa"
    PRIVATE_REVERSE = "private-reverse"


ALL_SPECIAL_NAMES = frozenset(SpecialName)
