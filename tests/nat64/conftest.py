import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kun_nat64.config.load import from_data
from kun_nat64.model.spec import AgentSpec

SHIPPED = Path(__file__).parents[2] / "gateway-config" / "kun-nat64.toml"


@pytest.fixture(scope="session")
def shipped_data() -> dict[str, Any]:
    return tomllib.loads(SHIPPED.read_text())


@pytest.fixture
def spec_with(shipped_data: dict[str, Any]) -> Callable[..., AgentSpec]:
    """The shipped configuration with other values: `spec_with(gateway={"mss": 1400})`."""

    def make(**sections: dict[str, Any]) -> AgentSpec:
        data = copy.deepcopy(shipped_data)
        data["fleet"]["listen"] = ""  # this machine has no such address
        data["nat64"]["session_log"] = ""  # a test that wants one gives it a place
        for name, keys in sections.items():
            data[name] = {**data.get(name, {}), **keys}
        return from_data(data, "test")

    return make


@pytest.fixture
def spec(spec_with: Callable[..., AgentSpec]) -> AgentSpec:
    return spec_with()
