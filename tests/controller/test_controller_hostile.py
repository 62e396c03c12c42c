"""What agents, other programs and hands may write: none of it ends the controller, and each refusal says where."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kun_cluster.formats.gateway_report import LONGEST_S, MAX_TEXT, read_report
from kun_cluster.formats.pool_orders import orders_value, read_orders
from kun_cluster.formats.times import rfc3339, unix_time
from kun_cluster.formats.watch_events import Deleted, EventReader, Unreadable, Upsert
from kun_cluster.model.egress import EgressAllocation
from kun_cluster.policy.lease import DURATION_S, Step, next_step, seen
from kun_cluster.policy.lease import LONGEST_S as LONGEST_LEASE_S
from kun_cluster.policy.statuses import gateway_status
from kun_cluster.state.world import World
from kun_cluster.watch.kube_client import KubeClient
from kun_cluster.watch.kube_error import KubeError
from tests.controller.objects import gateway, pool

SAID: dict[str, Any] = {
    "version": "0.3.0",
    "announcement": {"announced": True, "withdrawn": False, "standing": "full", "words": "announced", "since_s": 90.0},
    "health": {"verdict": "healthy", "targets": [{"proven_s_ago": 0.2}]},
    "diagnosis": {"words": "fine"},
}


def said(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    found = copy.deepcopy(SAID)
    change(found)
    return found


def proven(value: object) -> dict[str, Any]:
    return said(lambda found: found["health"]["targets"][0].update(proven_s_ago=value))


@pytest.mark.parametrize(
    "data",
    [
        *(proven(value) for value in (float("nan"), float("inf"), -float("inf"), LONGEST_S * 10, 10**400)),
        said(lambda found: found["announcement"].update(since_s=10**400)),
        said(lambda found: found["announcement"].update(since_s="soon")),
        said(lambda found: found["announcement"].update(since_s=float("nan"))),
        said(lambda found: found["health"].update(targets=None)),
        said(lambda found: found.update(diagnosis="fine")),
        [],
        None,
    ],
)
def test_a_report_that_cannot_be_is_no_answer(data: object) -> None:
    with pytest.raises(ValueError):
        read_report(data)


@pytest.mark.parametrize("text", ["\ud800", "a\nb\x1b[31m", "\u2028", "x" * 900_000])
@pytest.mark.parametrize("field", ["version", "words", "standing", "diagnosis"])
def test_the_words_of_an_agent_can_be_written_into_a_status(field: str, text: str) -> None:
    def change(found: dict[str, Any]) -> None:
        place = found if field == "version" else found["diagnosis" if field == "diagnosis" else "announcement"]
        place["words" if field == "diagnosis" else field] = text

    status = gateway_status(gateway(), pool(), [], read_report(said(change)), 1_800_000_000.0)
    sent = json.dumps(status, ensure_ascii=False).encode()
    assert len(sent) < 20 * MAX_TEXT
    assert b"\x1b" not in sent


def test_a_packet_a_moment_ahead_of_the_clock_came_back_now() -> None:
    assert read_report(proven(-0.001)).last_packet_s_ago == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00+99:99",
        "2026-01-01T00:00:00x12Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "soon",
    ],
)
def test_a_time_that_cannot_be_written_back_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1970 to 9999"):
        unix_time(text)
    rollout = {"gateway": "gw1", "phase": "Draining", "since": text, "version": "1"}
    assert orders_value(read_orders({"rollout": rollout})) == {}


def test_a_time_in_small_letters_is_one() -> None:
    assert rfc3339(unix_time("2026-01-01t00:00:00z")) == "2026-01-01T00:00:00Z"


def share(**spec: Any) -> dict[str, Any]:
    owner = {"kind": "EgressGateway", "name": "gw1"}
    default = {"pool": "standard", "address": "192.0.2.9", "use": "SharedAddress", "gateway": "gw1", "owner": owner}
    meta = {"name": "192-0-2-9", "resourceVersion": "7"}
    return {"kind": "EgressAllocation", "metadata": meta, "spec": {**default, **spec}}


def event(kind: str, obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode()


def test_an_object_that_cannot_be_read_is_named_stays_as_it_was_and_can_be_deleted() -> None:
    world, reader = World(), EventReader("EgressAllocation")
    first = reader.read(event("ADDED", share()))
    assert isinstance(first, Upsert)
    assert isinstance(first.read, EgressAllocation)
    world.put("EgressAllocation", first.read)
    wrong = reader.read(event("MODIFIED", share(since="2026-01-01T00:00:00+99:99", use="Lent")))
    assert isinstance(wrong, Unreadable)
    assert (wrong.name, wrong.version) == ("192-0-2-9", "7")
    world.cannot_read("EgressAllocation", wrong.namespace, wrong.name, wrong.why)
    (problem,) = world.problems()
    assert problem.object == "EgressAllocation 192-0-2-9"
    assert all(words in problem.message for words in ("stays in force", "spec.since", "spec.use"))
    assert world.objects["EgressAllocation"]["192-0-2-9"] == first.read
    gone = reader.read(event("DELETED", share(since="2026-01-01T00:00:00+99:99")))
    assert isinstance(gone, Deleted)
    world.drop("EgressAllocation", gone.namespace, gone.name)
    assert not world.objects["EgressAllocation"]
    assert not world.problems()


def test_an_object_that_can_be_read_again_is_no_problem() -> None:
    world, reader = World(), EventReader("EgressAllocation")
    world.cannot_read("EgressAllocation", "", "192-0-2-9", "spec.use: is wrong")
    assert "is not in force" in world.problems()[0].message
    right = reader.read(event("MODIFIED", share()))
    assert isinstance(right, Upsert)
    world.put("EgressAllocation", right.read)
    assert not world.problems()


def test_a_lease_that_says_it_lasts_for_ever_or_for_a_moment_does_not() -> None:
    for said_s, lasts_s in ((2.0**31, LONGEST_LEASE_S), (1.0, DURATION_S), (20.0, 20.0)):
        lease = seen(None, "ghost", "1", said_s, 100.0)
        assert next_step(lease, "me", 100.0 + lasts_s - 0.1) is Step.WAIT
        assert next_step(lease, "me", 100.0 + lasts_s) is Step.TAKE


async def test_credentials_that_are_away_are_an_error_of_the_api_server(tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": {"tokenFile": str(tmp_path / "away")}}],
    }  # fmt: skip
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    client = KubeClient(str(tmp_path / "config"))
    try:
        with pytest.raises(KubeError, match="away"):
            await client.ask("GET", "api/v1/pods")
        with pytest.raises(KubeError, match="away"):
            await anext(client.lines("Pod", {}, 1.0))
    finally:
        await client.close()
