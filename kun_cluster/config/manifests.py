"""Manifests in files: every object with the line where each of its fields stands, so that an error can name it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kun_base.errors import ConfigError, Fault
from kun_base.textfile import UnreadableText, read_standard_input, read_text
from kun_cluster.formats.egress_objects import SPECS, EgressObject, ObjectError, read_egress_object
from kun_cluster.formats.workload_objects import READERS, LabelSets, Workload, read_workload
from kun_cluster.model.egress import API_VERSION, GROUP

MAX_BYTES = 256 * 1024 * 1024
STANDARD_INPUT = Path("-")
ENDINGS = (".yaml", ".yml", ".json")
Path_ = tuple[str | int, ...]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and where it stands: `file:line`. `lines` gives the line of each field by its path."""

    file: str
    line: int
    number: int
    content: dict[str, Any]
    lines: dict[Path_, int] = field(repr=False)

    @property
    def kind(self) -> str:
        return str(self.content.get("kind", ""))

    @property
    def title(self) -> str:
        """Kind and name as an error shows them."""
        meta = self.content.get("metadata")
        meta = meta if isinstance(meta, dict) else {}
        name, namespace = meta.get("name", "without a name"), meta.get("namespace")
        return f"{self.kind or 'object without a kind'} {f'{namespace}/' if namespace else ''}{name}"

    def line_of(self, path: Path_) -> int:
        """Line of a field, or of the nearest thing around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, self.line)


@dataclass(frozen=True, slots=True)
class ReadObject:
    """An object that was read, and where it stands."""

    where: str
    read: Workload | EgressObject


def read_files(places: list[Path]) -> list[ReadObject]:
    """Read all objects of our kinds in files and folders; other kinds are passed over.

    Raises ConfigError with every error of every file, each with file, line and object.
    """
    faults: list[Fault] = []
    found: list[ReadObject] = []
    first_seen: dict[tuple[str, str], str] = {}
    label_sets = LabelSets()
    for file in _files(places, faults):
        for manifest in _documents(file, faults):
            _read_one(manifest, label_sets, found, faults, first_seen)
    if faults:
        raise ConfigError(" ".join(map(str, places)), faults)
    return found


def _files(places: list[Path], faults: list[Fault]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            inside = sorted(path for path in place.rglob("*") if path.suffix in ENDINGS and path.is_file())
            if not inside:
                faults.append(Fault(str(place), "", f"holds no file that ends with {', '.join(ENDINGS)}"))
            yield from inside
        else:
            yield place


def _documents(file: Path, faults: list[Fault]) -> Iterator[Manifest]:
    try:
        text = read_standard_input(MAX_BYTES) if file == STANDARD_INPUT else read_text(file, MAX_BYTES)
    except UnreadableText as error:
        faults.append(Fault(f"{file}:{error.line}" if error.line else str(file), "", str(error)))
        return
    number = 0
    try:
        for node in yaml.compose_all(text, Loader=_LOADER):
            if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
                continue
            for part in _items(node):
                number += 1
                yield _manifest(file, number, part, faults)
    except (yaml.YAMLError, _NotJson) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line if mark is not None else text.count("\n", 0, getattr(error, "position", 0))
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        faults.append(Fault(f"{file}:{line + 1}", "", f"not YAML: {problem}"))
    except RecursionError:
        faults.append(Fault(str(file), "", "is nested too deeply"))


class _NotJson(yaml.YAMLError):
    def __init__(self, problem: str, mark: yaml.Mark) -> None:
        super().__init__(problem)
        self.problem, self.problem_mark = problem, mark


def _items(node: yaml.Node) -> Iterator[yaml.Node]:
    """The objects of a List (`kubectl get -o yaml`), or the object itself."""
    if isinstance(node, yaml.MappingNode):
        entries = {key.value: value for key, value in node.value}
        kind, items = entries.get("kind"), entries.get("items")
        if kind is not None and str(kind.value).endswith("List") and isinstance(items, yaml.SequenceNode):
            yield from items.value
            return
    yield node


def _manifest(file: Path, number: int, node: yaml.Node, faults: list[Fault]) -> Manifest:
    lines: dict[Path_, int] = {}
    content = _plain(node, (), lines, yaml.constructor.SafeConstructor())
    line = node.start_mark.line + 1
    if not isinstance(content, dict):
        faults.append(Fault(f"{file}:{line}", "", "must be an object with apiVersion, kind and metadata"))
        content = {}
    return Manifest(str(file), line, number, content, lines)


def _plain(node: yaml.Node, path: Path_, lines: dict[Path_, int], scalars: Any) -> Any:
    """Plain values of a node; a key given twice is an error, and times stay text as in JSON."""
    lines[path] = node.start_mark.line + 1
    if not node.tag.startswith("tag:yaml.org,2002:") or "/" in node.tag:
        raise _NotJson(f"tag {node.tag} is not known here", node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), lines, scalars) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _NotJson("a key must be text", key.start_mark)
            if key.value in found:
                raise _NotJson(f"key {key.value!r} is written twice here", key.start_mark)
            found[key.value] = _plain(value, (*path, key.value), lines, scalars)
            lines[(*path, key.value)] = key.start_mark.line + 1
        return found
    if node.tag.endswith((":timestamp", ":str")):
        return node.value
    try:
        return scalars.construct_object(node)
    except (ValueError, yaml.YAMLError):
        return node.value


def _read_one(
    manifest: Manifest,
    label_sets: LabelSets,
    found: list[ReadObject],
    faults: list[Fault],
    first_seen: dict[tuple[str, str], str],
) -> None:
    content, where = manifest.content, f"{manifest.file}:{manifest.line}"
    if not content:
        return
    version, kind = content.get("apiVersion"), manifest.kind
    problem = _wrong_type(version, kind)
    if problem is not None:
        faults.append(Fault(f"{where}: {manifest.title}", "", problem))
        return
    if not _is_ours(version, kind):
        return
    try:
        read = _converted(kind, content, label_sets)
    except ObjectError as error:
        for fault in error.faults:
            place = f"{manifest.file}:{manifest.line_of(fault.path)}: {manifest.title}: {_path_text(fault.path)}"
            faults.append(Fault(place, fault.value, fault.wanted))
        return
    identity = (kind, str(read))
    if identity in first_seen:
        faults.append(
            Fault(f"{where}: {manifest.title}", "", f"is already at {first_seen[identity]}; keep one of the two")
        )
        return
    first_seen[identity] = where
    found.append(ReadObject(where, read))


def _is_ours(version: object, kind: str) -> bool:
    return (kind in SPECS and version == API_VERSION) or (kind in READERS and version == "v1")


def _wrong_type(version: object, kind: str) -> str | None:
    if not isinstance(version, str) or not version or not kind:
        return "needs apiVersion and kind"
    group = version.partition("/")[0]
    if group == GROUP and version != API_VERSION:
        return f"apiVersion is {version}; known is {API_VERSION}"
    if group == GROUP and kind not in SPECS:
        return f"kind {kind} is not known; kinds of {GROUP}: {', '.join(SPECS)}"
    if kind in SPECS and group != GROUP and group.endswith(".kun"):
        return f"apiVersion is {version}; must be {API_VERSION}"
    return None


def _converted(kind: str, content: dict[str, Any], label_sets: LabelSets) -> Workload | EgressObject:
    if kind in SPECS:
        return read_egress_object(kind, content, strict=True)
    try:
        return read_workload(kind, content, label_sets)
    except msgspec.ValidationError as error:
        from kun_cluster.formats.egress_objects import FieldFault

        text, _, path = str(error).partition(" - at `$.")
        keys = tuple(path.rstrip("`").replace("[...]", "").split(".")) if path else ()
        raise ObjectError([FieldFault(keys, "", text[:1].lower() + text[1:])]) from None


def _path_text(path: Path_) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
