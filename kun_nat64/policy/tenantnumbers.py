"""Numbers of tenants, from which their marks are made. Each source of numbers has its own range.

1 to 0x400000: by the controller, for classes with addresses. Then those of the file's tenants, made from the name. The
upper half: for classes of the controller that have no number.
"""

import hashlib
from collections.abc import Collection

LAST_OF_CONTROLLER = 0x400000
FILE_FIRST, FILE_LAST = 0x400001, 0x7FFFFF
OTHER_FIRST, OTHER_LAST = 0x800000, 0xFFFFFF


def number_of_name(name: str) -> int:
    """For a tenant of the file: the same on every gateway."""
    return FILE_FIRST + _hash(name) % (FILE_LAST - FILE_FIRST + 1)


def free_number(name: str, taken: Collection[int]) -> int:
    """For a class without a number of its own: from its name, or the next one that is free."""
    span = OTHER_LAST - OTHER_FIRST + 1
    start = _hash(name) % span
    return next(OTHER_FIRST + n % span for n in range(start, start + span) if OTHER_FIRST + n % span not in taken)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
