"""Write gateway-config/kubernetes/*.yaml from the Helm chart, so that there is one source for both.

Usage: python packaging/kubernetes_manifests.py [--helm HELM] [--check]. Exit 1 with --check when a file differs.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHART, FOLDER = ROOT / "gateway-config/helm/kun", ROOT / "gateway-config/kubernetes"
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: kun
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""
# For clusters without Helm and without the controller: one set of rules for all pods.
VALUES = "dns64.follow=false,coredns.configMap=true,coredns.perClient=false"
HEADS = {
    "kun-dns64.yaml": ("dns64", "kun-dns64 in a cluster. Needs an image: see Containerfile.", NAMESPACE),
    "coredns.yaml": ("coredns", "The cluster's CoreDNS, forwarding to kun-dns64.", ""),
}


def rendered(helm: str, template: str) -> str:
    """Render one template of the chart. Raises CalledProcessError where helm refuses."""
    argv = [helm, "template", "kun", str(CHART), "--namespace", "kun", "--kube-version", "1.34.0"]
    argv += ["--set", VALUES, "--show-only", f"templates/{template}.yaml"]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def manifest(helm: str, name: str) -> str:
    """Give the whole text of one file."""
    template, title, before = HEADS[name]
    body = rendered(helm, template).replace(
        "app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl"
    )
    text = "\n".join(line for line in body.splitlines() if not line.startswith("# Source: ")).removeprefix("---\n")
    head = f"# {title} Written from the Helm chart by `make manifests`; change it there.\n"
    return head + (f"{before}---\n" if before else "") + text + "\n"


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--helm", default="helm", help="the helm program")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file differs")
    chosen = parser.parse_args()
    differ = [name for name in HEADS if (FOLDER / name).read_text() != manifest(chosen.helm, name)]
    for name in differ:
        if not chosen.check:
            (FOLDER / name).write_text(manifest(chosen.helm, name))
        print(f"{FOLDER / name}: {'differs from the chart' if chosen.check else 'written'}")
    return 1 if differ and chosen.check else 0


if __name__ == "__main__":
    sys.exit(main())
