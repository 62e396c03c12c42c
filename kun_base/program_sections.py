"""The sections of both programs' configuration files, so that each can say when it gets the other's file."""

SECTIONS = {
    "kun-dns64": frozenset(
        {"server", "admin", "control", "upstream", "cache", "dns64", "dnstap", "zone", "pool", "client"}
    ),
    "kun-nat64": frozenset(
        {"gateway", "nat64", "bgp", "health", "fleet", "guard", "drain", "admin", "audit", "log"}
    ),
}  # fmt: skip


def program_of(sections: set[str], own: set[str]) -> str:
    """The program whose file has these sections; "" when they may be of the program that has `own`.

    One section of our own is enough for that: the others are then mistakes in our file.
    """
    foreign = sections - own
    shared = frozenset.intersection(*SECTIONS.values())
    if sections & (own - shared):
        return ""
    return next((name for name, known in SECTIONS.items() if foreign & known), "")
