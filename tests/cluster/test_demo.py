"""`make demo-cluster`, as it is typed: each step must show what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.cluster_build import NoGo, built
from tests.coredns.coredns_build import built as built_dns

pytestmark = [pytest.mark.cluster, pytest.mark.coredns, pytest.mark.timeout(3600)]
ROOT = Path(__file__).resolve().parent.parent.parent
STEPS = 9


def test_the_demo_shows_every_step() -> None:
    try:
        for name in ("etcd", "kube-apiserver", "kubectl"):
            built(name)
        built_dns("coredns")
    except NoGo as error:
        pytest.skip(str(error))
    space = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    argv = [*space, sys.executable, "-m", "tests.cluster.demo"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{STEPS} steps in " in done.stdout
