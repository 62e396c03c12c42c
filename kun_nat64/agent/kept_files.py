"""Stores state for the next agent and for the commands. If the folder cannot be written, the agent works on."""

import contextlib

from kun_base.errors import ConfigError
from kun_nat64.agent.options import Options
from kun_nat64.config.load import load
from kun_nat64.drivers import filehistory, runfiles
from kun_nat64.model.announcement import LastAnnounced
from kun_nat64.model.drain import Drain
from kun_nat64.model.facts import Facts
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy.holddown import FallRecord
from kun_nat64.state.agent_state import State


class KeptFiles:
    def __init__(self, state: State, options: Options) -> None:
        self._state, self._options = state, options

    def keep_before(self, facts: Facts) -> None:
        """Store the machine as it was before the first change, for `teardown`."""
        with contextlib.suppress(OSError):
            runfiles.remember_before(self._options.run_dir, facts)

    def keep_announced(self, last: LastAnnounced) -> None:
        """Store what is announced, for `withdraw`."""
        with contextlib.suppress(OSError):
            runfiles.save_announced(self._options.run_dir, last)

    def keep_falls(self, record: FallRecord) -> None:
        """Store the failures, so that a restart does not shorten the hold-down."""
        try:
            runfiles.save_falls(self._options.lasting, record)
        except OSError as error:
            words = f"a restarted agent will not know of earlier falls: {error}"
            self._state.warnings.warn(WarningName.FALLS, words)
        else:
            self._state.warnings.end_warning(WarningName.FALLS)

    def keep_drain(self, drain: Drain) -> str | None:
        """Store the drain; return why it could not be stored, None if it is."""
        try:
            runfiles.save_drain(self._options.lasting, drain)
        except OSError as error:
            problem = f"the drain is in force, but will not survive a restart of the agent: {error}"
            self._state.warnings.warn(WarningName.DRAIN, problem)
            self._state.journal.error("drain", failed=problem)
            return problem
        self._state.warnings.end_warning(WarningName.DRAIN)
        return None

    def keep_file(self, spec: AgentSpec) -> None:
        """Store the file in force, and add it to the history unless it was changed after it was read."""
        if spec.written is None:
            return
        with contextlib.suppress(OSError):
            runfiles.save_taken(self._options.run_dir, spec.written)
        with contextlib.suppress(OSError, ConfigError):
            if load(self._options.config).written == spec.written:
                filehistory.record(self._options.lasting, self._options.config, "agent")
