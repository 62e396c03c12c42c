"""The commands with their flags, help and examples, on typer."""

import os
from pathlib import Path
from typing import Annotated

import typer

from kun_base.command_line import CommandLine, report
from kun_base.version import build, version

RUN_DIR = Path("/run/kun-nat64")
EXAMPLE = """
Examples:

  kun-nat64 doctor --config /etc/kun/kun-nat64.toml

  kun-nat64 plan --config /etc/kun/kun-nat64.toml

  kun-nat64 run --config /etc/kun/kun-nat64.toml

  kun-nat64 drain --wait
"""

app = CommandLine("Agent on a NAT64 gateway: plans, applies, proves and announces.", EXAMPLE)

# Not `readable`: what cannot be read is said in our own words.
Config = Annotated[
    Path, typer.Option("--config", "-c", help="The gateway's TOML file.", show_default=False, readable=False)
]
RunDir = Annotated[Path, typer.Option("--run-dir", help="Folder of the agent's lock and control socket.")]
GatewayName = Annotated[
    str,
    typer.Argument(metavar="[NAME]", help="Another gateway of the fleet; none: this one.", show_default=False),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="For another gateway: its token; by default this one's own.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def _state_dir() -> Path | None:
    """systemd's StateDirectory=, for the drain and the falls; without it they are in the run directory."""
    named = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(named) if named else None


def _history(run_dir: Path) -> Path:
    """Where the files that were in force are kept: the unit's state directory, or its usual place."""
    usual = Path("/var/lib/kun-nat64")
    return _state_dir() or (usual if usual.is_dir() else run_dir)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"kun-nat64 {version()}, {build()}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")]


@app.callback()
def _common(_show: Version = False) -> None:
    return None


@app.command("check-config", epilog="Example: kun-nat64 check-config /etc/kun/kun-nat64.toml")
def check_config(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="TOML files; - is standard input.", readable=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Check files: every error of every file, each with its line."""
    from kun_base.config_check import FileSummary, check_files
    from kun_nat64.config.listeners import notes
    from kun_nat64.config.load import load, old_names

    def meaning_of(file: Path) -> FileSummary:
        spec = load(file)
        gateway = spec.gateway
        of_vip = f"VIP {gateway.vip} makes the prefix {gateway.pool6}"
        summary = f"pods reach {gateway.pool6} by {gateway.uplink}" if gateway.is_native else of_vip
        return FileSummary(summary, (*old_names(spec.written), *notes(spec)))

    raise typer.Exit(check_files(files, meaning_of, as_json=as_json))


@app.command("config-schema", epilog="Example: kun-nat64 config-schema > kun-nat64.schema.json")
def config_schema() -> None:
    """Print the JSON schema of the file, for editors."""
    from kun_nat64.config.load import schema

    typer.echo(schema())


@app.command(
    epilog="Example: kun-nat64 doctor --config /etc/kun/kun-nat64.toml --json",
    exits={0: "nothing is wrong", 1: "something is wrong"},
)
def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The gateway's TOML file; without it, only the machine.")
    ] = None,
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Show what is wrong on this machine, and its repair."""
    from kun_nat64.cli.doctor import examine

    raise typer.Exit(examine(config, run_dir, as_json=as_json))


@app.command(
    epilog="Example: kun-nat64 plan --config /etc/kun/kun-nat64.toml",
    exits={0: "nothing to change", 10: "changes", 11: "changes that the guard refuses"},
)
def plan(config: Config, run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Show what would change, and what the guard refuses."""
    from kun_nat64.cli.plan_apply import show_plan

    raise typer.Exit(show_plan(config, run_dir, as_json=as_json))


@app.command(
    epilog="Example: kun-nat64 apply --config /etc/kun/kun-nat64.toml --force",
    exits={
        0: "the machine is as the file says",
        1: "a change failed, or was undone",
        11: "the guard refuses the changes",
    },
)
def apply(
    config: Config,
    run_dir: RunDir = RUN_DIR,
    force: Annotated[bool, typer.Option("--force", help="Also what the guard refuses.")] = False,
    confirm_within: Annotated[
        float | None,
        typer.Option("--confirm-within", metavar="SECONDS", min=1.0, help="Undo it unless confirmed by then."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the changes once; announce nothing.

    Only `run` announces the VIP, after probes have proved the translation.

    With --confirm-within the changes are undone unless you press Enter or run `kun-nat64 confirm` in time, also when
    they cut your connection.
    """
    from kun_nat64.cli.plan_apply import apply_once

    def work() -> int:
        if confirm_within:
            from kun_nat64.cli.confirmed_apply import apply_until_confirmed

            return apply_until_confirmed(config, run_dir, _history(run_dir), confirm_within, force=force)
        code = apply_once(config, run_dir, force=force)
        if code == 0:
            from kun_nat64.cli.errors import complain
            from kun_nat64.cli.rollback import with_record

            with_record(_history(run_dir), config, "apply", complain)
        return code

    raise typer.Exit(report(work, as_json=as_json))


@app.command(epilog="Example: kun-nat64 confirm", exits={0: "confirmed", 1: "no change waits for a confirmation"})
def confirm(run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Confirm the change that `apply --confirm-within` has made."""
    from kun_nat64.cli.confirmed_apply import confirm as confirm_change

    raise typer.Exit(report(lambda: confirm_change(run_dir), as_json=as_json))


@app.command(epilog="Example: kun-nat64 rollback --config /etc/kun/kun-nat64.toml")
def rollback(
    config: Annotated[Path, typer.Option("--config", "-c", help="The gateway's TOML file; it is replaced.")] = Path(
        "/etc/kun/kun-nat64.toml"
    ),
    history: Annotated[bool, typer.Option("--list", help="Only show which files were in force.")] = False,
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Go back to the last other file that was in force.

    The present one is kept as FILE.rolled-back.
    """
    from kun_nat64.cli.rollback import roll_back, show_history

    folder = _history(run_dir)
    if history:
        raise typer.Exit(show_history(folder, as_json=as_json))
    raise typer.Exit(report(lambda: roll_back(config, run_dir, folder), as_json=as_json))


@app.command(epilog="Example: kun-nat64 run --config /etc/kun/kun-nat64.toml")
def run(config: Config, run_dir: RunDir = RUN_DIR) -> None:
    """Run the agent on this gateway.

    It keeps the machine as its file says.

    The VIP is announced while probes pass through the translator and return.
    """
    from kun_nat64.agent.program import Options, main

    raise typer.Exit(main(Options(config, run_dir, _state_dir())))


@app.command(epilog="Example: kun-nat64 status --json", exits={0: "announced", 1: "not announced, or no agent runs"})
def status(run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Show the state of the running agent."""
    from kun_nat64.cli.status_drain import show_status

    raise typer.Exit(show_status(run_dir, as_json=as_json))


@app.command(
    epilog="Example: kun-nat64 fleet --watch",
    exits={0: "all gateways are announced", 1: "one is not, or does not answer"},
)
def fleet(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Without an agent here: the file that names the members.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Redraw every two seconds, until Ctrl-C.")] = False,
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Show every gateway of the fleet in one table."""
    from kun_nat64.cli.fleet import show_fleet

    raise typer.Exit(show_fleet(run_dir, config, watch=watch, as_json=as_json))


@app.command("test", epilog="Example: kun-nat64 test --json", exits={0: "no step failed", 1: "a step failed"})
def path_test(run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Test the path of a packet as this gateway sees it.

    Each failed step comes with its remedy.
    """
    from kun_nat64.cli.path_test import run_path_test

    raise typer.Exit(run_path_test(run_dir, as_json=as_json))


@app.command(epilog="Example: kun-nat64 size --pods 18659 --flows 30 --gateways 4 --nodes 300")
def size(
    pods: Annotated[int, typer.Option("--pods", min=1, help="Pods without IPv4.")],
    flows: Annotated[float, typer.Option("--flows", min=0.0, help="Flows of a pod at once, in its busiest protocol.")],
    new_per_s: Annotated[float, typer.Option("--new-per-s", min=0.0, help="New flows per second and pod.")] = 0.0,
    gateways: Annotated[int, typer.Option("--gateways", min=1, help="Gateways in the ECMP set.")] = 3,
    spare: Annotated[int, typer.Option("--spare", min=0, help="How many of them may be down.")] = 1,
    ports: Annotated[int, typer.Option("--ports", min=1, max=65536, help="Ports of one public address.")] = 40_001,
    nodes: Annotated[int, typer.Option("--nodes", min=0, help="Nodes, if routers hash outer addresses only.")] = 0,
    buckets: Annotated[int, typer.Option("--buckets", min=0, help="Buckets of a resilient ECMP group.")] = 0,
    imbalance: Annotated[
        float, typer.Option("--imbalance", min=0.0, help="Fullest gateway over the mean; 0: computed.")
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Compute the public addresses that pods need.

    The ports suffice even when --spare gateways are down.
    """
    from kun_nat64.cli.size import show_size
    from kun_nat64.policy.capacity import Load
    from kun_nat64.policy.spread import fabric

    try:
        load = Load(pods, flows, new_per_s)
        spread = fabric(load, gateways, spare, ports, nodes, buckets, imbalance)
        code = show_size(load, spread, as_json=as_json)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(code)


@app.command("support-bundle", epilog="Example: kun-nat64 support-bundle --output /tmp/gw1.tar.gz")
def support_bundle(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The gateway's TOML file.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; it must not exist.")] = None,
    with_sessions: Annotated[
        str, typer.Option("--with-sessions", metavar="INSTANCE", help="Also this instance's sessions: they name pods.")
    ] = "",
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Write what support needs into one tar file.

    Configuration (secrets masked), status, plan, rules, routes, BGP and log.
    """
    from kun_nat64.cli.errors import complain
    from kun_nat64.cli.support_bundle import make_bundle

    try:
        code = make_bundle(config, run_dir, output, sessions=with_sessions, as_json=as_json)
    except OSError as error:
        code = complain(f"cannot write the bundle: {error}", as_json=as_json)
    raise typer.Exit(code)


@app.command(
    epilog='Example: kun-nat64 drain --wait --why "new kernel"',
    exits={
        0: "draining; with --wait: withdrawn",
        1: "no agent runs, or the drain was ended",
        11: "it is the last gateway, or another one is draining",
    },
)
def drain(
    name: GatewayName = "",
    run_dir: RunDir = RUN_DIR,
    wait: Annotated[bool, typer.Option("--wait", help="Until the path is withdrawn, with progress.")] = False,
    why: Annotated[str, typer.Option("--why", help="For the log and the status page.")] = "",
    until_start: Annotated[
        bool, typer.Option("--until-start", help="The next start of the agent ends the drain; for stops and reboots.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even when no other gateway is known to carry, or another one is draining.")
    ] = False,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Move new flows away, wait for live ones, then withdraw.

    `undrain` ends the drain.
    """
    from kun_nat64.cli.status_drain import start_drain

    def work() -> int:
        return start_drain(
            run_dir, wait=wait, why=why, until_start=until_start, force=force, name=name, token_file=token_file
        )

    raise typer.Exit(report(work, as_json=as_json))


@app.command(epilog="Example: kun-nat64 undrain", exits={0: "the drain is over", 1: "no agent runs"})
def undrain(
    name: GatewayName = "", run_dir: RunDir = RUN_DIR, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """End a drain; the VIP is announced again once healthy."""
    from kun_nat64.cli.status_drain import end_drain

    raise typer.Exit(report(lambda: end_drain(run_dir, name, token_file), as_json=as_json))


@app.command(
    epilog="Example: kun-nat64 table --accept 3f9c0a52b1d84e6793c1a0e5d2f4b687",
    exits={0: "a table is in force, and nothing is held", 1: "something is wrong or held, or nothing is followed"},
)
def table(
    accept: Annotated[
        str | None, typer.Option("--accept", metavar="VERSION", help="Bring the held table of this version into force.")
    ] = None,
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Show the controller's table that is followed.

    Its version, its age, what is held and why.
    """
    from kun_nat64.cli.followed import show_table

    raise typer.Exit(show_table(run_dir, accept=accept, as_json=as_json))


@app.command(
    epilog="Example: kun-nat64 teardown --config /etc/kun/kun-nat64.toml",
    exits={0: "nothing of ours is left", 1: "something is left, or the agent runs"},
)
def teardown(config: Config, run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Withdraw the VIP and remove everything that the agent made."""
    from kun_nat64.cli.plan_apply import tear_down

    raise typer.Exit(report(lambda: tear_down(config, run_dir), as_json=as_json))


@app.command(
    epilog="Example: kun-nat64 withdraw --config /etc/kun/kun-nat64.toml",
    exits={0: "withdrawn", 1: "a path could not be withdrawn"},
)
def withdraw(config: Config, run_dir: RunDir = RUN_DIR, as_json: AsJson = False) -> None:
    """Withdraw the VIP at once, without the agent.

    For a host whose agent hangs or cannot start.

    If the file has errors, the paths that the agent announced are withdrawn.
    """
    from kun_nat64.cli.plan_apply import withdraw_now

    raise typer.Exit(report(lambda: withdraw_now(config, run_dir), as_json=as_json))


@app.command(
    exits={0: "packets get through", 1: "packets are dropped"},
    epilog="Example: kun-nat64 explain 2002:cb00:7101::c633:6450\n\n"
    "kun-nat64 explain 2002:cb00:7101::c633:6450 --client 2002:a01:2:1::10 --json",
)
def explain(
    destination: Annotated[str, typer.Argument(help="The IPv6 address that a pod sends to.", metavar="IPV6")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The gateway's TOML file; else /etc/kun/kun-nat64.toml.")
    ] = None,
    client: Annotated[str, typer.Option(help="The pod's IPv6 address: is it let in, what does it hold.")] = "",
    run_dir: RunDir = RUN_DIR,
    as_json: AsJson = False,
) -> None:
    """Show what happens to packets for an IPv6 address, and why.

    The IPv4 address in it, whether a pod's packets reach it, by which gateways and from which source; its sessions.
    """
    from kun_nat64.cli.explain import explain_destination

    raise typer.Exit(explain_destination(destination, config, run_dir, client, as_json=as_json))


@app.command(
    exits={0: "found", 1: "nobody is known", 3: "the sessions could not be read"},
    epilog="Example: kun-nat64 who 192.0.2.11:40283 --at 2026-11-21T06:15:00Z --proto tcp\n\n"
    'kun-nat64 who 192.0.2.11:40283 --at "90m ago" --json',
)
def who(
    public: Annotated[str, typer.Argument(help="The public IPv4 address and port.", metavar="IP:PORT")],
    at: Annotated[str, typer.Option("--at", help='When: ISO 8601 (UTC without an offset), Unix time, "90m ago", now.')],
    proto: Annotated[str, typer.Option("--proto", help="tcp, udp or icmp; all of them without it.")] = "",
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The gateway's TOML file.")] = None,
    database: Annotated[Path | None, typer.Option("--database", help="Folder of the session database.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show which pod had a public port, and when."""
    from kun_nat64.cli.who import show_who
    from kun_nat64.cli.who_flags import Asked

    raise typer.Exit(show_who(Asked(public, at, proto, config, database, as_json)))
