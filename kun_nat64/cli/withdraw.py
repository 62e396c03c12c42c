"""The `withdraw` command."""

import sys
from pathlib import Path

from kun_base.errors import ConfigError
from kun_nat64.agent.announcer import last_announced
from kun_nat64.cli.exit_codes import DONE, FAILED
from kun_nat64.config.load import load
from kun_nat64.drivers import runfiles
from kun_nat64.drivers.speaker import take_back
from kun_nat64.model.announcement import Announcement
from kun_nat64.model.errors import DriverError


def withdraw_now(config: Path, run_dir: Path) -> int:
    """Withdraw the paths of the file and those that the agent recorded. Raises ConfigError if there are neither."""
    noted = runfiles.load_announced(run_dir)
    try:
        every = {last_announced(load(config).bgp, Announcement(True, 0))}
    except ConfigError as error:
        if noted is None:
            raise
        print(f"{error}\nwithdrawing what the agent had announced: {', '.join(noted.prefixes)}", file=sys.stderr)
        every = set()
    code = DONE
    for last in every | ({noted} if noted else set()):
        try:
            take_back(last)
        except DriverError as error:
            print(f"not withdrawn: {error}", file=sys.stderr)
            code = FAILED
        else:
            print(f"withdrawn: this gateway announces {', '.join(map(str, last.prefixes))} no more")
    if code == DONE and (pid := runfiles.running_pid(run_dir)) is not None:
        print(f"the agent (pid {pid}) still runs and announces again once healthy: stop it, or `kun-nat64 drain`")
    return code
