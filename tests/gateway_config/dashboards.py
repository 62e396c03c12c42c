"""The shipped dashboards, and what their panels ask Prometheus for."""

import json
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).parents[2] / "gateway-config"
DASHBOARDS = sorted((CONFIG / "grafana").glob("*.json"))


def panels(dashboard: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(dashboard.read_text())["panels"]
    return found


def expressions(dashboard: Path) -> list[str]:
    """PromQL with Grafana's variables filled in."""
    found = [target["expr"] for panel in panels(dashboard) for target in panel.get("targets", ())]
    return [expr.replace("$__rate_interval", "1m").replace("$instance", ".*") for expr in found]
