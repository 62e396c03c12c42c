"""Notices by looking that files have changed."""

from collections.abc import Iterable

from kun_dns64.config.file_stamp import FileStamp, stamp_of


class FileWatch:
    """`changed` is true once per change, when two looks in a row agree: a file half written is left to finish.

    `known`: what the files were like before they were read, so that nothing that happens from then on is missed.
    """

    def __init__(self, known: Iterable[FileStamp]) -> None:
        self._known = self._last = tuple(known)

    def changed(self) -> bool:
        seen = tuple(stamp_of(look.path) for look in self._known)
        settled, self._last = seen == self._last, seen
        if not settled or seen == self._known:
            return False
        self._known = seen
        return True
