"""A file's configuration merged with the controller's table, as the agent keeps it; and the `table` command."""

import json
import sys
import time
from pathlib import Path
from urllib.parse import quote

from kun_base.table_fields import TableFault
from kun_base.table_file import FILE_NAME, read_table_file
from kun_base.table_intake import TableIntake
from kun_nat64.cli.agent_client import NoAgent, ask
from kun_nat64.cli.errors import complain
from kun_nat64.cli.folders import lasting_folder
from kun_nat64.config.load import load
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.table_merge import TableRecords, merged, with_changes

JSON = dict[str, object]


def load_followed(config: Path, run_dir: Path) -> AgentSpec:
    """As `load`, with the table. An unreadable table is reported and left out. Raises ConfigError."""
    spec = load(config)
    file = kept_table(spec, lasting_folder(run_dir))
    if file is None or not file.exists():
        return spec
    try:
        return _with_table(spec, file)
    except (OSError, TableFault) as error:
        print(f"the controller's table is left out: {file}: {error}", file=sys.stderr)
        return spec


def kept_table(spec: AgentSpec, folder: Path) -> Path | None:
    """Return the file with the table in force; None: no table is followed. `folder`: used if the file names none."""
    if spec.follow is None:
        return None
    return spec.follow.file or folder / FILE_NAME


def _with_table(spec: AgentSpec, file: Path) -> AgentSpec:
    intake = TableIntake()
    intake.connected("", "")
    for line in read_table_file(file):
        intake.take(line, 0.0)
    table = intake.table
    networks = with_changes({}, dict(table.clients))
    return merged(spec, TableRecords(table.pools, table.gateways, table.classes), networks)


def show_table(run_dir: Path, *, accept: str | None, as_json: bool) -> int:
    """Print the followed table. Exit code 0: a table is in force without errors; 1: otherwise, or none was accepted."""
    try:
        if accept is not None:
            return _accept(run_dir, accept, as_json=as_json)
        status = ask(run_dir, "/status").get("follow")
    except NoAgent as error:
        return complain(str(error), as_json=as_json)
    if status is None:
        return complain("the agent follows no table: its file has no [follow]", as_json=as_json)
    print(json.dumps(status, indent=1) if as_json else "\n".join(_lines(status)))
    return 1 if status["error"] or status["held"] else 0


def _accept(run_dir: Path, version: str, *, as_json: bool) -> int:
    answer = ask(run_dir, f"/table/accept?version={quote(version)}", "POST")
    if as_json:
        print(json.dumps(answer))
    elif answer["accepted"]:
        print("accepted: the held table is in force")
    if not answer["accepted"] and not as_json:
        return complain("nothing is held, or another version: `kun-nat64 table` shows which")
    return 0 if answer["accepted"] else 1


def _lines(status: dict[str, object]) -> list[str]:
    age = "no line has come yet" if status["age_s"] is None else f"last line {status['age_s']} s ago"
    records = status["records"]
    assert isinstance(records, dict)
    counts = ", ".join(f"{count} {kind}" for kind, count in records.items())
    at = status["committed_at"]
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) if isinstance(at, int | float) and at else "never"
    lines = [
        f"from:      {status['source']} ({'connected' if status['connected'] else 'not connected'}, {age})",
        f"in force:  {status['version']}, committed {since}, revision {status['revision']}",
        f"records:   {counts}",
        f"wanted:    {status['desired'] or 'the table does not name this gateway'}",
    ]
    if status["error"]:
        lines.append(f"error:     {status['error']}")
    if isinstance(held := status["held"], dict):
        lines.append(f"held:      {held['version']}: {held['reason']} (`kun-nat64 table --accept {held['version']}`)")
    return lines
