import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kun_nat64.config.load import from_data
from kun_nat64.model.spec import AgentSpec

SHIPPED = Path(__file__).parents[3] / "gateway-config" / "kun-nat64-native.toml"


@pytest.fixture
def native_data() -> Callable[..., dict[str, Any]]:
    """The shipped native file with other values; a value None takes the key out."""
    shipped = tomllib.loads(SHIPPED.read_text())

    def make(**sections: dict[str, Any]) -> dict[str, Any]:
        data = copy.deepcopy(shipped)
        data["nat64"]["session_log"] = ""
        for name, keys in sections.items():
            merged = {**data.get(name, {}), **keys}
            data[name] = {key: value for key, value in merged.items() if value is not None}
        return data

    return make


@pytest.fixture
def native_with(native_data: Callable[..., dict[str, Any]]) -> Callable[..., AgentSpec]:
    return lambda **sections: from_data(native_data(**sections), "test")


@pytest.fixture
def native(native_with: Callable[..., AgentSpec]) -> AgentSpec:
    return native_with()
