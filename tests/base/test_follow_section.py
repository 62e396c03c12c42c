"""The [follow] section: what is refused, and what is followed because of it."""

from pathlib import Path

import pytest

from kun_base.follow_section import FollowSection, follow_faults, follow_plan
from kun_base.table_intake import RemovalBounds

RIGHT = [
    "", "https://controller:9466", "https://controller", "https://192.0.2.1:1/", "https://[2001:db8::1]:9466/v1/table",
    "https://controller/cluster-a", "http://127.0.0.1:9466", "http://[::1]:9466", "http://localhost:9466",
    "file:///etc/kun/table.jsonl", "file://localhost/etc/kun/table.jsonl",
]  # fmt: skip
WRONG = {
    "controller:9466": "must be the controller",
    "https://": "must be the controller",
    "https:///v1/table": "must be the controller",
    "https://controller:0": "must be the controller",
    "https://controller:99999": "must be the controller",
    "https://user:word@controller": "must be the controller",
    "https://controller/?have=1": "must be the controller",
    "https://con troller": "must be the controller",
    "ftp://controller": "must be the controller",
    "file:table.jsonl": "must be the controller",
    "file:///": "must be the controller",
    "file://host/table.jsonl": "must be the controller",
    "http://controller:9466": "must be https",
    "http://192.0.2.1:9466": "must be https",
}


@pytest.mark.parametrize("url", RIGHT)
def test_a_right_url_has_no_fault(url: str, tmp_path: Path) -> None:
    assert list(follow_faults(FollowSection(url=url), tmp_path)) == []


@pytest.mark.parametrize(("url", "sentence"), WRONG.items(), ids=WRONG)
def test_a_wrong_url_is_named(url: str, sentence: str, tmp_path: Path) -> None:
    (fault,) = follow_faults(FollowSection(url=url), tmp_path)
    assert fault.where == "follow.url"
    assert sentence in fault.wanted


def test_files_that_are_not_there_are_named_all_at_once(tmp_path: Path) -> None:
    section = FollowSection(url="https://c", token_file="t", ca_file="a", state_dir="no/where")
    found = [fault.where for fault in follow_faults(section, tmp_path)]
    assert found == ["follow.token_file", "follow.ca_file", "follow.state_dir"]
    (tmp_path / "t").touch()
    (tmp_path / "a").touch()
    assert not list(
        follow_faults(FollowSection(url="https://c", token_file="t", ca_file="a", state_dir="new"), tmp_path)
    )


def test_the_plan_says_whom_to_ask_and_where_to_keep_it(tmp_path: Path) -> None:
    section = FollowSection(
        url="https://c:9466/v1/table", token_file="t", state_dir="s", consumer="dns-1", max_removed_clients=7
    )
    plan = follow_plan(section, tmp_path, "resolver")
    assert plan is not None
    assert plan.source is not None
    assert (plan.source.url, plan.source.role, plan.source.consumer) == ("https://c:9466", "resolver", "dns-1")
    assert plan.source.token_file == str(tmp_path / "t")
    assert plan.source.ca_file == ""
    assert plan.file == tmp_path / "s" / "table.jsonl"
    assert plan.bounds == RemovalBounds(7, 20)


def test_without_a_url_the_file_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert follow_plan(None, tmp_path, "resolver") is None
    assert follow_plan(FollowSection(), tmp_path, "resolver") is None
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/kun-dns64:/var/lib/other")
    plan = follow_plan(FollowSection(), tmp_path, "resolver")
    assert plan is not None
    assert (plan.source, plan.file) == (None, Path("/var/lib/kun-dns64/table.jsonl"))
    plan = follow_plan(FollowSection(url="file:///etc/kun/my%20table"), tmp_path, "resolver")
    assert plan is not None
    assert (plan.source, plan.file) == (None, Path("/etc/kun/my table"))
