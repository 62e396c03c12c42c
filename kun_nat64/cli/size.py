"""The `size` command: public addresses for so many pods and flows."""

import json
from dataclasses import asdict

from kun_nat64.policy.capacity import MAX_USE, Fabric, Load, capacity


def show_size(load: Load, fabric: Fabric, *, as_json: bool) -> int:
    """Print the arithmetic and its result. Raises ValueError as policy/capacity.py does."""
    found = capacity(load, fabric)
    if as_json:
        print(json.dumps({"load": asdict(load), "fabric": asdict(fabric), "capacity": asdict(found)}, indent=1))
        return 0
    left = fabric.gateways - fabric.spare
    print(f"{load.pods:,} pods x {load.flows:g} flows = {found.flows:,} flows at once, of the busiest protocol")
    print(f"fullest of {fabric.gateways} gateways: {found.flows_each:,} flows (imbalance {fabric.imbalance:.2f})")
    print(f"fullest of {left} with {fabric.spare} gone: {found.flows_each_short:,} flows")
    if load.new_per_s:
        print(
            f"new flows: {found.new_per_s:,.0f}/s in all, {found.new_per_s_each_short:,.0f}/s on the fullest of {left}"
        )
    each = f"{found.addresses} on each gateway, {found.addresses_in_all} in all"
    print(f"public addresses: {each}, {fabric.ports:,} ports each")
    print(f"ports in use: {found.use:.0%}, with {fabric.spare} gone {found.use_short:.0%} (kept below {MAX_USE:.0%})")
    return 0
