"""Commands for people who run gateways, on real gateways: the fleet table, a change that undoes itself, a rollback."""

import json
import time

from lab.api import Lab
from tests.lab.questions import CONFIG, all_together, plan_code, rules

WAIT_S = 60.0
WITH_1400 = f"sed 's/^mss = .*/mss = 1400/' {CONFIG} > /tmp/changed.toml && mv /tmp/changed.toml {CONFIG}"


def mss(lab: Lab, gateway: str) -> set[str]:
    return {rule.rsplit("--set-mss ", 1)[1].split()[0] for rule in rules(lab, gateway) if "--set-mss" in rule}


def test_the_fleet_table_shows_every_gateway(lab: Lab) -> None:
    all_together(lab)
    rows = json.loads(lab.output("gw1", "kun-nat64", "fleet", "--json"))
    assert {row["name"] for row in rows} == {gateway.name for gateway in lab.topology.gateways}
    assert all(row["announced"] for row in rows)
    assert f"{len(rows)} of {len(rows)} announced" in lab.output("gw1", "kun-nat64", "fleet")


def test_the_path_test_passes_on_a_healthy_gateway(lab: Lab) -> None:
    all_together(lab)
    steps = json.loads(lab.output("gw1", "kun-nat64", "test", "--json"))["steps"]
    assert {step["name"]: step["state"] for step in steps if step["state"] == "failed"} == {}
    assert next(step["state"] for step in steps if step["name"] == "there and back") == "ok"


def test_a_change_that_nobody_confirms_is_undone_and_a_confirmed_one_stays_until_the_rollback(lab: Lab) -> None:
    all_together(lab)
    gateway = "gw3"
    lab.end(gateway, "kun-nat64")
    before, original = mss(lab, gateway), lab.output(gateway, "cat", CONFIG)
    try:
        lab.run(gateway, "sh", "-c", f"cp {CONFIG} /tmp/original.toml; {WITH_1400}")
        apply = ("kun-nat64", "apply", "--config", CONFIG, "--confirm-within")
        lab.spawn(gateway, "apply", *apply, "6")
        lab.wait_for(lambda: mss(lab, gateway) == {"1400"}, WAIT_S, "the change to be made")
        lab.wait_for(lambda: mss(lab, gateway) == before, WAIT_S, "the change to be undone")
        lab.wait_for(lambda: "undone: " in lab.log(gateway, "apply"), WAIT_S, "the report of it")
        lab.spawn(gateway, "apply2", *apply, "60")
        lab.wait_for(lambda: "Confirm within" in lab.log(gateway, "apply2"), WAIT_S, "the question")
        lab.run(gateway, "kun-nat64", "confirm")
        lab.wait_for(lambda: "the change stays" in lab.log(gateway, "apply2"), WAIT_S, "the confirmation")
        time.sleep(1)
        assert mss(lab, gateway) == {"1400"}
        lab.run(gateway, "sh", "-c", f"cp /tmp/original.toml {CONFIG}")
        lab.run(gateway, "kun-nat64", "apply", "--config", CONFIG)
        assert mss(lab, gateway) == before
        lab.run(gateway, "kun-nat64", "rollback", "--config", CONFIG)
        assert mss(lab, gateway) == {"1400"}
    finally:
        lab.run(gateway, "sh", "-c", f"cp /tmp/original.toml {CONFIG}")
        lab.start_service(gateway, "kun-nat64")
    assert lab.output(gateway, "cat", CONFIG) == original
    lab.wait_for(lambda: plan_code(lab, gateway) == 0, WAIT_S, "the gateway to be as its file says")
