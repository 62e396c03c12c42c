"""`kun-controller compile` and `crds`."""

import json
import sys
import time
from pathlib import Path

from kun_cluster.config.gathering import gather
from kun_cluster.config.manifests import read_files
from kun_cluster.formats.record_text import records_of, version_of
from kun_cluster.formats.stream_lines import begin_line, commit_line, set_lines
from kun_cluster.model.table import Table
from kun_cluster.policy.ruleset import compile_rules
from kun_cluster.state.live_table import LiveTable, compile_objects
from kun_cluster.views.table_text import table_text, table_value


def compiled(places: list[Path]) -> LiveTable:
    """Compile manifests. Raises ConfigError with all their errors."""
    objects = gather(read_files(places))
    return compile_objects(objects, compile_rules(objects.rules))


def show_table(places: list[Path], *, as_json: bool, stream: bool, strict: bool) -> int:
    """Print the table, and on stderr what is not in force. Returns the exit code."""
    live = compiled(places)
    table, problems = live.table(), live.problems()
    if stream:
        print("\n".join(snapshot(table, time.time())))
    elif as_json:
        print(json.dumps(table_value(table, problems), indent=2, ensure_ascii=False))
    else:
        print(table_text(table))
    if not as_json:
        for problem in problems:
            print(f"kun-controller: {problem}", file=sys.stderr)
    return 2 if strict and problems else 0


def snapshot(table: Table, now: float) -> list[str]:
    """The lines of the file that consumers read."""
    counts = {
        "pool": len(table.pools),
        "gateway": len(table.gateways),
        "class": len(table.classes),
        "client": len(table.clients),
    }
    lines = set_lines(records_of(table))
    return [begin_line("snapshot", "", "all", ""), *lines, commit_line(version_of(table), 0, counts, now)]


def show_crds(*, as_json: bool = False) -> None:
    """Print the CRDs as YAML, or as a JSON list that kubectl takes too."""
    import yaml

    from kun_cluster.formats.crds import crds

    if as_json:
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": crds()}, indent=2, ensure_ascii=False))
        return
    print("# Made by: kun-controller crds", end="\n---\n")
    print(yaml.safe_dump_all(crds(), sort_keys=False, width=120, allow_unicode=True), end="")
