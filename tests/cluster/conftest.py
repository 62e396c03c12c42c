"""One real API server for all tests here; each test uses names of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kun_cluster.formats.crds import crds
from tests.cluster.api_server import Cluster
from tests.cluster.cluster_build import NoGo, built


@pytest.fixture(scope="session")
def programs() -> dict[str, Path]:
    """Paths of the built programs. The first build takes minutes."""
    try:
        return {name: built(name) for name in ("etcd", "kube-apiserver", "kubectl")}
    except NoGo as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def bare_cluster(programs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(programs, tmp_path_factory.mktemp("cluster"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="session")
def cluster(bare_cluster: Cluster) -> Cluster:
    """An API server that knows our objects."""
    for crd in crds():
        bare_cluster.apply(crd)
    return bare_cluster
