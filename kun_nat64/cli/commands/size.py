"""`kun-nat64 size`: its flags and its help."""

from typing import Annotated

import typer

from kun_nat64.cli.command_line import AsJson, app


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
        float, typer.Option("--imbalance", min=0.0, help="Load of the fullest gateway over the mean; 0: computed.")
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
