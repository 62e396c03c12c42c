"""Sections by which a configuration file shows whose it is, so that a program can say when it gets the other's file."""

MARKS = {
    "kun-dns64": frozenset({"server", "upstream", "cache", "dns64", "dnstap", "zone", "pool", "client"}),
    "kun-nat64": frozenset({"gateway", "nat64", "bgp", "health", "fleet", "guard", "drain", "audit"}),
}


def program_of(sections: set[str], own: set[str]) -> str:
    """The program whose file has these sections; "" when they may be of the program that has `own`.

    One section of our own is enough for that: the others are then mistakes in our file.
    """
    if any(marks <= own and marks & sections for marks in MARKS.values()):
        return ""
    return next((name for name, marks in MARKS.items() if marks & (sections - own)), "")
