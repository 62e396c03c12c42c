"""Subcommands of kun-controller; what each of them does is in a file of its own."""

from pathlib import Path
from typing import Annotated

import typer

from kun_base.version import version

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Places = Annotated[list[Path], typer.Argument(metavar="DIR_OR_FILE...", help="manifests, YAML or JSON")]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]


def _version(asked: bool) -> None:
    if asked:
        print(f"kun-controller {version()}")
        raise typer.Exit


@app.callback()
def main(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")] = False,
) -> None:
    """Compile Kubernetes objects into the table that kun-dns64 and kun-nat64 follow."""


@app.command("compile")
def compile_(
    places: Places,
    as_json: AsJson = False,
    stream: Annotated[bool, typer.Option("--stream", help="as the file that kun-dns64 and kun-nat64 read")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit code 2 when an object is not in force")] = False,
) -> None:
    """Read manifests and print the table; no cluster needed."""
    from kun_cluster.cli.compile import show_table

    raise typer.Exit(show_table(places, as_json=as_json, stream=stream, strict=strict))


@app.command()
def crds() -> None:
    """Print the CustomResourceDefinitions, for kubectl apply --server-side -f -."""
    from kun_cluster.cli.compile import show_crds

    show_crds()


explain = typer.Typer(no_args_is_help=True, help="Say why something is treated as it is.")
app.add_typer(explain, name="explain")


@explain.command("pod")
def explain_pod(
    pod: Annotated[str, typer.Argument(metavar="NAMESPACE/NAME")],
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="DIR_OR_FILE", help="manifests instead of the running controller"),
    ] = None,
    admin: Annotated[str, typer.Option(help="admin address of the running controller")] = "http://127.0.0.1:9466",
    as_json: AsJson = False,
) -> None:
    """Say which class a pod is in, which objects decide that, and by which addresses it leaves."""
    from kun_cluster.cli.explain import show_pod

    raise typer.Exit(show_pod(pod, files or [], admin, as_json=as_json))


@app.command()
def run(
    token_file: Annotated[str, typer.Option(help="tokens of consumers, one a line")],
    kubeconfig: Annotated[str, typer.Option(help='"": the service account of the pod it runs in')] = "",
    listen: Annotated[str, typer.Option(metavar="ADDR:PORT", help="where consumers connect")] = "[::]:9467",
    admin: Annotated[
        str, typer.Option(metavar="ADDR:PORT", help="/healthz /readyz /metrics /status")
    ] = "127.0.0.1:9466",
    tls_certificate: Annotated[str, typer.Option(help="PEM, with its chain")] = "",
    tls_key: Annotated[str, typer.Option(help="PEM")] = "",
    cluster: Annotated[str, typer.Option(help="name of this cluster in the stream")] = "",
    namespace: Annotated[str, typer.Option(help="namespace of the Lease")] = "kun",
    identity: Annotated[str, typer.Option(help='name of this replica; "": host name and process number')] = "",
    writes: Annotated[bool, typer.Option("--write/--no-write", help="statuses and allocations, while it leads")] = True,
    log_format: Annotated[str, typer.Option(help="text or json")] = "text",
) -> None:
    """Watch, compile and serve the table; write statuses and allocations as the leader."""
    from kun_cluster.cli.run import run_controller

    raise typer.Exit(
        run_controller(
            kubeconfig=kubeconfig,
            listen=listen,
            admin=admin,
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
