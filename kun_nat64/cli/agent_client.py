"""Sends requests to the running agent through the unix socket in its run directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kun_base.control_client import NoServer, ask_socket
from kun_nat64.drivers.runfiles import CONTROL

TIMEOUT_S = 5.0


class NoAgent(Exception):
    """No agent answers, or the answer is not understood; the message has the remedy."""


@contextmanager
def its_words(run_dir: Path) -> Iterator[None]:
    """Guard code that reads an agent's answer. Raises NoAgent for an answer of another version, after an upgrade."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise NoAgent(
            f"the agent in {run_dir} is of another version than this command ({error!r} in its answer): "
            "`systemctl restart kun-nat64` starts the new one, and disturbs no flow"
        ) from error


def ask(run_dir: Path, path: str, method: str = "GET", also: tuple[int, ...] = ()) -> Any:
    """Return the agent's JSON answer with HTTP status 200 or one of `also`. Raises NoAgent."""
    try:
        answer = ask_socket(run_dir / CONTROL, path, method=method, timeout_s=TIMEOUT_S)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoAgent(
            f"no agent runs with run directory {run_dir}: start it with `systemctl start kun-nat64`, "
            "or `kun-nat64 run --config FILE`; another directory is given by --run-dir"
        ) from error
    except PermissionError as error:
        raise NoAgent(f"{run_dir / CONTROL} is for root: run this with sudo") from error
    except NoServer as error:
        raise NoAgent(f"the agent in {run_dir} does not answer properly: {error}") from error
    if answer.status not in (200, *also):
        raise NoAgent(f"the agent answered {method} {path} with HTTP status {answer.status}")
    return answer.value
