"""The [follow] section of both programs: its keys, its faults, and what is followed because of them."""

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from kun_base.errors import Fault
from kun_base.table_client import TableSource
from kun_base.table_file import FILE_NAME
from kun_base.table_follower import FollowPlan
from kun_base.table_intake import RemovalBounds

CONSUMER = r"^[\x21-\x7e]{0,80}$"
PATH = "/v1/table"
WANTED_URL = "must be the controller, for example https://controller.kun.svc:9467, or a file, for example file:///etc/kun/table.jsonl"


class FollowSection(BaseModel):
    """The table of a kun-controller, which this program follows (docs/kubernetes.md). Without this section it follows
    none.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    url: str = ""
    """The controller, for example "https://kun-controller.kun.svc:9467"; "http" for an address of this host only. A
    table without a controller is a file: "file:///etc/kun/table.jsonl", or "" for table.jsonl in `state_dir`. The
    program reads such a file again when it is replaced.
    """
    token_file: str = ""
    """File with the token that the controller knows. The program reads it again for every connection."""
    ca_file: str = ""
    """PEM file with the authority of the controller's certificate. "" means those that the system trusts."""
    state_dir: str = ""
    """Directory where the table is kept as table.jsonl: the program starts with it. "" means systemd's StateDirectory;
    where there is none, the table is not kept.
    """
    clients: Literal["all", "exceptions"] = "all"
    """Which clients to follow: "exceptions" leaves out the pods of the class "default"."""
    consumer: str = Field(default="", pattern=CONSUMER)
    """Name of this program in the controller's status. "" means the host name."""
    max_removed_clients: int = Field(default=100, ge=0, le=2_000_000)
    """A change that removes more clients than this, and more than `max_removed_percent` of them, waits until somebody
    accepts it.
    """
    max_removed_percent: int = Field(default=20, ge=0, le=100)
    """See `max_removed_clients`. A change that removes every gateway or every pool waits as well."""


def follow_faults(section: FollowSection, folder: Path) -> Iterator[Fault]:
    """Every fault of what the keys say together; relative paths are below `folder`."""
    try:
        url = urlsplit(section.url)
        problem = _url_problem(section.url, url)
    except ValueError:
        problem = WANTED_URL
    if problem:
        yield Fault("follow.url", repr(section.url), problem)
        return
    for key in ("url", "token_file", "ca_file", "state_dir"):
        if not getattr(section, key).isprintable():
            yield Fault(f"follow.{key}", repr(getattr(section, key)), "must not have control characters in it")
            return
    is_stream = url.scheme in ("http", "https")
    for key in ("token_file", "ca_file") if is_stream else ():
        name = getattr(section, key)
        if name and not (folder / name).is_file():
            yield Fault(f"follow.{key}", repr(name), f"is not a file that can be read ({folder / name})")
    place = folder / section.state_dir
    if section.state_dir and (not place.parent.is_dir() or (place.exists() and not place.is_dir())):
        yield Fault("follow.state_dir", repr(section.state_dir), f"is not a directory, and cannot be made ({place})")


def _url_problem(text: str, url: SplitResult) -> str:
    if not text:
        return ""
    if any(character.isspace() for character in text) or url.fragment or url.query:
        return WANTED_URL
    if url.scheme == "file":
        is_path = url.netloc in ("", "localhost") and url.path.startswith("/") and not url.path.endswith("/")
        return "" if is_path else WANTED_URL
    if url.scheme not in ("http", "https") or not url.hostname or url.port == 0 or "@" in url.netloc:
        return WANTED_URL
    if url.scheme == "http" and not _is_loopback(url.hostname):
        return "must be https: without TLS only an address of this host may be asked"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def follow_plan(section: FollowSection | None, folder: Path, role: str) -> FollowPlan | None:
    """Say what is followed; None: nothing, because there is no [follow] or no directory to find a file in."""
    if section is None:
        return None
    bounds = RemovalBounds(section.max_removed_clients, section.max_removed_percent)
    url = urlsplit(section.url)
    if url.scheme == "file":
        return FollowPlan(None, Path(unquote(url.path)), bounds)
    directory = _state_dir(section, folder)
    file = directory / FILE_NAME if directory is not None else None
    if not section.url:
        return FollowPlan(None, file, bounds) if file is not None else None
    source = TableSource(
        section.url.rstrip("/").removesuffix(PATH).rstrip("/"),
        _below(folder, section.token_file),
        _below(folder, section.ca_file),
        section.clients,
        section.consumer or socket.gethostname()[:80],
        role,
    )
    return FollowPlan(source, file, bounds)


def _state_dir(section: FollowSection, folder: Path) -> Path | None:
    """Give the directory of the file; "": systemd's StateDirectory= (systemd.exec(5)), the first of them."""
    if section.state_dir:
        return folder / section.state_dir
    named = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(named) if named else None


def _below(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""
