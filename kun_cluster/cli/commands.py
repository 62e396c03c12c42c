"""Subcommands of kun-controller; what each of them does is in a file of its own."""

from pathlib import Path
from typing import Annotated

import typer

from kun_base.command_line import CommandLine
from kun_base.version import build, version

EXAMPLES = """
Examples:

kun-controller compile manifests/

kun-controller compile manifests/ --json

kun-controller crds | kubectl apply --server-side -f -

kun-controller explain pod default/web-0 --from manifests/
"""

app = CommandLine("Compile Kubernetes objects into the table that kun-dns64 and kun-nat64 follow.", EXAMPLES)
Places = Annotated[
    list[Path], typer.Argument(metavar="DIR_OR_FILE...", help="Manifests, YAML or JSON; - is standard input.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"kun-controller {version()}, {build()}")
        raise typer.Exit


@app.callback()
def main(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    return None


@app.command(
    "compile",
    epilog="Example: kun-controller compile manifests/ --json",
    exits={2: "a manifest is wrong; with --strict: an object is not in force"},
)
def compile_(
    places: Places,
    as_json: AsJson = False,
    stream: Annotated[bool, typer.Option("--stream", help="The format that kun-dns64 and kun-nat64 read.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 2 if an object is not in force.")] = False,
) -> None:
    """Compile manifests and print the table, without a cluster."""
    from kun_cluster.cli.compile import show_table

    raise typer.Exit(show_table(places, as_json=as_json, stream=stream, strict=strict))


@app.command(epilog="Example: kun-controller crds | kubectl apply --server-side -f -")
def crds(as_json: AsJson = False) -> None:
    """Print the CustomResourceDefinitions."""
    from kun_cluster.cli.compile import show_crds

    show_crds(as_json=as_json)


explain = CommandLine("Explain why an object is treated as it is.")
app.add_typer(explain, name="explain")


@explain.command(
    "pod",
    epilog="Example: kun-controller explain pod default/web-0 --from manifests/",
    exits={1: "no such pod, or no controller answers"},
)
def explain_pod(
    pod: Annotated[str, typer.Argument(metavar="NAMESPACE/NAME", help="Namespace and name of the pod.")],
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="DIR_OR_FILE", help="Manifests, instead of the running controller."),
    ] = None,
    admin: Annotated[
        str, typer.Option(metavar="URL", help="Admin address of the running controller.")
    ] = "http://127.0.0.1:9466",
    as_json: AsJson = False,
) -> None:
    """Show the class of a pod, the objects that decide it, and its addresses."""
    from kun_cluster.cli.explain import show_pod

    raise typer.Exit(show_pod(pod, files or [], admin, as_json=as_json))


@app.command(epilog="Example: kun-controller run --kubeconfig ~/.kube/config --token-file tokens")
def run(
    kubeconfig: Annotated[str, typer.Option(metavar="FILE", help='"" uses the service account of its pod.')] = "",
    listen: Annotated[
        str, typer.Option(metavar="ADDR:PORT", help="Address for the programs that follow.")
    ] = "127.0.0.1:9467",
    token_file: Annotated[
        str, typer.Option(metavar="FILE", help='Tokens of the programs that follow, one a line; "": loopback only.')
    ] = "",
    admin: Annotated[
        str, typer.Option(metavar="ADDR:PORT", help="Address of /healthz, /readyz, /metrics and /status.")
    ] = "127.0.0.1:9466",
    admin_allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK", help="Who may read --admin; repeat it. Default: loopback and private networks."
        ),
    ] = None,
    tls_certificate: Annotated[str, typer.Option(metavar="FILE", help="Certificate with its chain, PEM.")] = "",
    tls_key: Annotated[str, typer.Option(metavar="FILE", help="Private key, PEM.")] = "",
    cluster: Annotated[str, typer.Option(help="Name of this cluster in the stream.")] = "",
    namespace: Annotated[str, typer.Option(help="Namespace of the Lease.")] = "kun",
    identity: Annotated[str, typer.Option(help='Name of this replica; "": host name and process number.')] = "",
    writes: Annotated[
        bool, typer.Option("--write/--no-write", help="Write statuses and allocations while it is the leader.")
    ] = True,
    log_format: Annotated[str, typer.Option(help="text or json.")] = "text",
) -> None:
    """Watch, compile and serve the table; write statuses and allocations as the leader."""
    from kun_cluster.cli.run import run_controller

    raise typer.Exit(
        run_controller(
            kubeconfig=kubeconfig,
            listen=listen,
            admin=admin,
            admin_allow=tuple(admin_allow or ()),
            token_file=token_file,
            certificate=tls_certificate,
            key=tls_key,
            cluster=cluster,
            namespace=namespace,
            identity=identity,
            writes=writes,
            log_format=log_format,
        )
    )
