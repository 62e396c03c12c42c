"""`kun-controller explain pod`."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from kun_base.errors import ConfigError, Fault
from kun_cluster.cli.compile import compiled
from kun_cluster.views.pod_text import pod_text, pod_value

DEADLINE_S = 10


def show_pod(pod: str, files: list[Path], admin: str, *, as_json: bool) -> int:
    """Print what is in force for a pod. Returns the exit code: 1 for a pod that is not there."""
    namespace, _, name = pod.partition("/")
    if not namespace or not name:
        raise ConfigError(
            "explain pod", [Fault("NAMESPACE/NAME", repr(pod), 'wants both, for example "team-00/web-0"')]
        )
    value = _from_files(namespace, name, files) if files else _from_controller(pod, admin)
    if value is None:
        print(f"kun-controller: there is no pod {pod}", file=sys.stderr)
        return 1
    print(json.dumps(value, indent=2) if as_json else pod_text(value))
    return 0


def _from_files(namespace: str, name: str, files: list[Path]) -> dict[str, object] | None:
    live = compiled(files)
    pod = live.pods.get((namespace, name))
    return None if pod is None else pod_value(live, pod)


def _from_controller(pod: str, admin: str) -> dict[str, object] | None:
    url = f"{admin.rstrip('/')}/explain?{urllib.parse.urlencode({'pod': pod})}"
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as reply:
            found: dict[str, object] = json.load(reply)
            return found
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        print(f"kun-controller: {url}: {error.read().decode(errors='replace').strip()}", file=sys.stderr)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        print(
            f"kun-controller: {url}: {reason}; name manifests with --from, or the controller with --admin",
            file=sys.stderr,
        )
    raise SystemExit(1)
