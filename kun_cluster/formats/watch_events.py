"""Lines of a watch, and pages of a list, as the API server writes them."""

from dataclasses import dataclass
from typing import Any

import msgspec

from kun_cluster.formats.egress_objects import SPECS, EgressObject, ObjectError, read_egress_object
from kun_cluster.formats.workload_objects import READERS, LabelSets, Workload

INITIAL_END = "k8s.io/initial-events-end"


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _BookmarkMeta(msgspec.Struct):
    resourceVersion: str = ""
    annotations: dict[str, str] | None = None


class _Bookmark(msgspec.Struct):
    metadata: _BookmarkMeta


class _Failure(msgspec.Struct):
    code: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Upsert:
    """An object that is new or has changed."""

    read: Workload | EgressObject
    version: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """An object that is gone. Its namespace is "" where its kind has none."""

    namespace: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that is new or has changed, and cannot be read: `why` names the fields."""

    namespace: str
    name: str
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Everything up to this version has been sent. `ends_initial`: the first state is complete."""

    version: str
    ends_initial: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """An error inside a watch that answered 200: code 410 means to list anew."""

    code: int
    message: str


class _Meta(msgspec.Struct):
    name: str
    namespace: str = ""
    resourceVersion: str = ""


class _Named(msgspec.Struct):
    metadata: _Meta


WatchEvent = Upsert | Deleted | Unreadable | Bookmark | Failed
_event = msgspec.json.Decoder(_Event)
_bookmark = msgspec.json.Decoder(_Bookmark)
_failure = msgspec.json.Decoder(_Failure)
_named = msgspec.json.Decoder(_Named)


class EventReader:
    """Reads events of one kind. Raises msgspec.DecodeError."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._labels = LabelSets()
        structure = READERS[kind][0] if kind in READERS else dict[str, Any]
        self._object: msgspec.json.Decoder[Any] = msgspec.json.Decoder(structure)

    def read(self, line: bytes) -> WatchEvent:
        """Read one line of a watch."""
        event = _event.decode(line)
        if event.type == "BOOKMARK":
            meta = _bookmark.decode(event.object).metadata
            return Bookmark(meta.resourceVersion, (meta.annotations or {}).get(INITIAL_END) == "true")
        if event.type == "ERROR":
            failure = _failure.decode(event.object)
            return Failed(failure.code, failure.message)
        named = _named.decode(event.object).metadata
        if event.type == "DELETED":
            # An object that cannot be read can be deleted.
            return Deleted(named.namespace, named.name, named.resourceVersion)
        try:
            return Upsert(self._object_of(event.object), named.resourceVersion)
        except (ObjectError, msgspec.ValidationError) as error:
            return Unreadable(named.namespace, named.name, named.resourceVersion, str(error))

    def _object_of(self, raw: msgspec.Raw) -> Workload | EgressObject:
        found = self._object.decode(raw)
        if self._kind in SPECS:
            return read_egress_object(self._kind, found, strict=False)
        return READERS[self._kind][1](found, self._labels)
