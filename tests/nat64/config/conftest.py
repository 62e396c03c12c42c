import copy
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def changed(shipped_data: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    def make(section: str, **keys: Any) -> dict[str, Any]:
        data = copy.deepcopy(shipped_data)
        data[section] = {**data[section], **keys}
        return data

    return make
