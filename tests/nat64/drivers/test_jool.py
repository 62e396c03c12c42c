import json
from collections import Counter
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from kun_base.prefix import sixtofour_prefix
from kun_nat64.drivers.command import CommandResult, Feed
from kun_nat64.drivers.jool import JoolDriver
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import JoolGlobal, JoolInstance, Pool4, Protocol
from kun_nat64.model.plan import Action, Change
from tests.nat64.drivers.scripted import ScriptedRunner, hung, said
from tests.nat64.formats.golden import golden

PUBLIC = IPv4Address("192.0.2.11")
PROBE = IPv6Address("fd6b:756e:3634::2")
INSTANCE = JoolInstance("kun", sixtofour_prefix(IPv4Address("203.0.113.1")))
TCP = Pool4("kun", Protocol.TCP, PUBLIC, 20000, 60000)
UDP_TIMEOUT = JoolGlobal("kun", "udp-timeout", "0:05:00")
MISSING = CommandResult(
    3, "Field,Value\n", "Error: The kernel module returned error 3: This namespace lacks an instance"
)
NO_MODULE = CommandResult(253, "Field,Value\n", "Error: Jool's socket family doesn't seem to exist.")


def living() -> dict[str, CommandResult | DriverError]:
    answers: dict[str, CommandResult | DriverError] = {"global display": said(golden("jool-4.1.9-global.csv"))}
    for mode in ("pool4", "bib", "session"):
        for protocol in Protocol:
            answers[f"{mode} display --{protocol}"] = said(golden(f"jool-4.1.9-{mode}-{protocol}.csv"))
    return answers


async def test_a_living_instance_is_looked_at_whole() -> None:
    facts = await JoolDriver(ScriptedRunner(living())).observe("kun", frozenset({"udp-timeout"}))
    pool4 = {Pool4("kun", protocol, PUBLIC, 20000, 60000) for protocol in Protocol}
    assert facts == {INSTANCE, UDP_TIMEOUT, *pool4}


@pytest.mark.parametrize("answer", [MISSING, NO_MODULE], ids=["no instance", "no module"])
async def test_what_is_not_there_is_nothing_although_a_header_was_printed(answer: CommandResult) -> None:
    runner = ScriptedRunner({"global display": answer})
    assert await JoolDriver(runner).observe("kun", frozenset()) == frozenset()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said("garbage"), FailureKind.GARBAGE),
        (CommandResult(1, "", "Segmentation fault"), FailureKind.EXIT_CODE),
        (CommandResult(1, "", "Operation not permitted"), FailureKind.PERMISSION),
        (hung("jool"), FailureKind.TIMEOUT),
    ],
    ids=["garbage", "crash", "no right", "hang"],
)
async def test_what_could_not_be_looked_at_is_an_error_and_not_an_absence(
    answer: CommandResult | DriverError, kind: FailureKind
) -> None:
    with pytest.raises(DriverError) as raised:
        await JoolDriver(ScriptedRunner({"global display": answer})).observe("kun", frozenset())
    assert raised.value.kind is kind


async def test_names_are_never_looked_up() -> None:
    runner = ScriptedRunner(living())
    traffic = await JoolDriver(runner).traffic("kun")
    assert traffic.sessions
    assert traffic.bindings
    assert all("--numeric" in line for line in runner.asked)


async def test_what_is_counted_is_what_jool_lists() -> None:
    whole = await JoolDriver(ScriptedRunner(living())).traffic("kun")
    counted = await JoolDriver(ScriptedRunner(living())).flows("kun", PROBE)
    others = [one for one in whole.sessions if one.inside.address != PROBE]
    assert (counted.sessions, counted.held) == (len(others), Counter(int(one.inside.address) for one in others))
    in_use = {(one.outside.address, str(one.protocol)) for one in whole.sessions}
    assert counted.ports.keys() == in_use
    assert counted.bindings == len({(one.protocol, one.outside) for one in others})


def content(path: str) -> str:
    return Path(path).read_text()


class KeepingRunner(ScriptedRunner):
    """Keeps the document, which is gone when the command has ended."""

    document: str = ""

    async def run(self, *argv: str, **options: object) -> CommandResult:
        if "handle" in argv:
            self.document = content(argv[argv.index("handle") + 1])
        return await super().run(*argv)


async def test_a_new_instance_is_made_with_all_that_belongs_to_it_in_one_command() -> None:
    runner = KeepingRunner()
    await JoolDriver(runner).apply([Change(Action.ADD, fact) for fact in (INSTANCE, UDP_TIMEOUT, TCP)])
    assert [line.split(" /")[0] for line in runner.asked] == ["jool -i kun file handle"]
    found = json.loads(runner.document)
    assert found["global"] == {"pool6": "2002:cb00:7101::/96", "udp-timeout": "0:05:00"}
    assert [entry["protocol"] for entry in found["pool4"]] == ["TCP"]


async def test_a_living_instance_is_changed_bit_by_bit_so_that_it_keeps_its_statistics() -> None:
    runner = ScriptedRunner()
    changes = [
        Change(Action.REPLACE, UDP_TIMEOUT, JoolGlobal("kun", "udp-timeout", "0:03:00")),
        Change(Action.ADD, TCP),
        Change(Action.REMOVE, Pool4("kun", Protocol.TCP, PUBLIC, 1, 9)),
    ]
    await JoolDriver(runner).apply(changes)
    assert runner.asked == [
        "jool -i kun global update udp-timeout 0:05:00",
        "jool -i kun pool4 add 192.0.2.11 20000-60000 --tcp",
        "jool -i kun pool4 remove 192.0.2.11 1-9 --tcp",
        "jool -i kun bib display --tcp --numeric --csv",
    ]


async def test_another_pool6_removes_the_instance_first() -> None:
    runner = ScriptedRunner()
    old = JoolInstance("kun", sixtofour_prefix(IPv4Address("203.0.113.2")))
    await JoolDriver(runner).apply([Change(Action.REPLACE, INSTANCE, old), Change(Action.ADD, TCP)])
    assert runner.asked[0] == "jool instance remove kun"
    assert runner.asked[1].startswith("jool -i kun file handle ")
    assert len(runner.asked) == 2


# As Jool 4.1.15 prints it.
LOCAL_PORTS = (
    "Error: The kernel module returned error 22: Port range 20000-60000 intersects with the namespace's ephemeral "
    "range (32768-60999). If you know what you are doing, add --force\n"
)


async def test_ports_that_a_newer_jool_finds_risky_are_forced() -> None:
    refusal = CommandResult(22, "", LOCAL_PORTS)
    runner = ScriptedRunner({"--tcp --force": said(""), "bib display": said(""), "--tcp": refusal})
    await JoolDriver(runner).apply([Change(Action.ADD, TCP)])
    assert "jool -i kun pool4 add 192.0.2.11 20000-60000 --tcp --force" in runner.asked


@pytest.mark.parametrize(
    "stderr",
    [
        "Error: The kernel module returned error 22: pool4 holds 192.0.2.11 already; add --force\n",
        "Error: unknown option --force\n",
    ],
)
async def test_nothing_else_that_jool_refuses_is_forced(stderr: str) -> None:
    runner = ScriptedRunner({"--tcp": CommandResult(22, "", stderr)})
    with pytest.raises(DriverError):
        await JoolDriver(runner).apply([Change(Action.ADD, TCP)])
    assert not [line for line in runner.asked if "--force" in line]


async def test_flows_that_began_while_pool4_was_empty_end_when_it_is_filled() -> None:
    """They hold ports that are not in pool4: their answers would be nobody's for as long as they send."""
    head = "Protocol,IPv6 Address,IPv6 L4-ID,IPv4 Address,IPv4 L4-ID,Static?\n"
    bindings = head + "TCP,2002:a01:2:1::10,40000,192.0.2.11,62842,0\n"
    runner = ScriptedRunner({"bib display": said(bindings), "pool4 display": said(golden("jool-4.1.9-pool4-tcp.csv"))})
    await JoolDriver(runner).apply([Change(Action.ADD, TCP)])
    assert runner.asked[-2:] == [
        "jool -i kun pool4 add 192.0.2.11 61001-65535 --tcp",
        "jool -i kun pool4 remove 192.0.2.11 61001-65535 --tcp",
    ]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (3, FailureKind.NOT_FOUND),
        (17, FailureKind.CONFLICT),
        (253, FailureKind.MISSING_MODULE),
        (22, FailureKind.EXIT_CODE),
    ],
)
async def test_a_change_that_jool_refuses_says_what_jool_said(code: int, kind: FailureKind) -> None:
    runner = ScriptedRunner({"pool4 add": CommandResult(code, "", "Error: because")})
    with pytest.raises(DriverError) as raised:
        await JoolDriver(runner).apply([Change(Action.ADD, TCP)])
    assert (raised.value.kind, raised.value.exit_code, raised.value.stderr) == (kind, code, "Error: because")


async def test_the_first_refusal_ends_the_batch() -> None:
    runner = ScriptedRunner({"global update": CommandResult(22, "", "too small")})
    with pytest.raises(DriverError):
        await JoolDriver(runner).apply([Change(Action.REPLACE, UDP_TIMEOUT, UDP_TIMEOUT), Change(Action.ADD, TCP)])
    assert len(runner.asked) == 1


async def test_another_instance_in_the_way_is_named_with_its_remedy() -> None:
    there = "Error: The kernel module returned error 17: This namespace already has a Netfilter Jool instance."
    listed = golden("jool-4.1.9-instance.csv").replace("kun", "old", 1)
    runner = ScriptedRunner({"file handle": CommandResult(17, "", there), "instance display": said(listed)})
    with pytest.raises(DriverError, match=r"already has.*\(old\): `jool instance remove NAME`") as caught:
        await JoolDriver(runner).apply([Change(Action.ADD, INSTANCE)])
    assert (caught.value.kind, caught.value.exit_code) == (FailureKind.CONFLICT, 17)


async def test_sessions_that_are_not_listed_in_time_count_for_as_far_as_they_came() -> None:
    class Slow(ScriptedRunner):
        async def run(self, *argv: str, feed: Feed | None = None, **options: Any) -> CommandResult:
            if "--udp" in argv and feed is not None:
                feed(golden("jool-4.1.9-session-udp.csv").encode())
                raise hung("jool")
            return await super().run(*argv, feed=feed, **options)

    traffic = await JoolDriver(Slow(living())).flows("kun", PROBE)
    assert traffic.partial
    assert traffic.sessions
