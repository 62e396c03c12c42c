"""The `rollback` command: back to the last file that was in force, and the history of those files."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from kun_nat64.cli.agent_client import NoAgent, ask
from kun_nat64.cli.apply import apply_once
from kun_nat64.cli.errors import complain
from kun_nat64.cli.exit_codes import DONE, REFUSED
from kun_nat64.drivers import filehistory, runfiles


def show_history(folder: Path, *, as_json: bool) -> int:
    """Print which files came into force, the newest last."""
    found = filehistory.entries(folder)
    if as_json:
        print(json.dumps([asdict(entry) for entry in found], indent=1))
        return DONE
    for entry in found:
        print(f"{entry.number:4}  {datetime.fromtimestamp(entry.at, UTC):%Y-%m-%d %H:%M:%S}Z  {entry.by:<12} "
              f"{entry.how:<9} {entry.checksum[:12]}  {entry.file}")  # fmt: skip
    if not found:
        print("no file has come into force yet")
    return DONE


def roll_back(config: Path, run_dir: Path, folder: Path) -> int:
    """Restore the file that was in force before, and apply it. The present FILE is kept beside it."""
    entry = filehistory.newest_other(folder, config)
    if entry is None:
        return complain(f"no earlier file: {folder / filehistory.FOLDER} holds no other file")
    try:
        aside = filehistory.put_back(folder, entry, config)
    except OSError as error:
        return complain(f"cannot restore {config}: {error}")
    print(f"{config} is again what {entry.by} applied at {datetime.fromtimestamp(entry.at, UTC):%Y-%m-%d %H:%M:%S}Z"
          + (f"; the replaced file is in {aside}" if aside else ""))  # fmt: skip
    code = take_file(config, run_dir)
    if code == DONE:
        with_record(folder, config, "rollback", complain)
    return code


def take_file(config: Path, run_dir: Path) -> int:
    """Apply the file, by the running agent or once. The guard does not refuse it, because it was in force before."""
    if runfiles.running_pid(run_dir) is None:
        return apply_once(config, run_dir, force=True)
    try:
        answer = ask(run_dir, "/reload?force=1", "POST")
    except NoAgent as error:
        return complain(str(error))
    for reason in answer["refused"]:
        print(f"refused: {reason}", file=sys.stderr)
    return DONE if answer["taken"] else REFUSED


def with_record(folder: Path, config: Path, how: str, report: Callable[[str], int]) -> None:
    """Record the file in the history. A folder that cannot be written is only reported."""
    try:
        filehistory.record(folder, config, how)
    except OSError as error:
        report(f"the history is not kept: {error}")
