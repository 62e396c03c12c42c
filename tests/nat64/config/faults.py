"""The faults of a configuration, as text."""

from typing import Any

import pytest

from kun_base.errors import ConfigError
from kun_nat64.config.load import from_data


def faults(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        from_data(data, "test")
    return [str(fault) for fault in raised.value.faults]
