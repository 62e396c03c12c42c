"""The JSON document that `jool file handle` reads: an instance with its globals and its pool4, all or nothing."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kun_nat64.model.joolfacts import JoolGlobal, JoolInstance, Pool4
from kun_nat64.model.joolglobals import SETTINGS, Kind


def document(instance: JoolInstance, settings: Iterable[JoolGlobal], pool4: Iterable[Pool4]) -> str:
    """For making an instance. On a living one it would set its statistics back to zero: use single commands there."""
    return json.dumps(
        {
            "comment": "written by kun-nat64",
            "instance": instance.name,
            "framework": instance.framework,
            "global": _globals(instance, {one.name: one.value for one in settings}),
            "pool4": [_entry(one) for one in sorted(pool4, key=str)],
        },
        indent=2,
    )


def _globals(instance: JoolInstance, values: Mapping[str, str]) -> dict[str, Any]:
    return {"pool6": str(instance.pool6), **{name: _value(name, text) for name, text in sorted(values.items())}}


def _value(name: str, text: str) -> Any:
    match SETTINGS[name].kind:
        case Kind.BOOL:
            return text == "true"
        case Kind.NUMBER:
            return int(text)
        case Kind.NUMBERS:
            return [int(part) for part in text.split(",")]
        case Kind.TIME:
            return text


def _entry(entry: Pool4) -> dict[str, Any]:
    return {
        "mark": entry.mark,
        "protocol": entry.protocol.upper(),
        "prefix": f"{entry.address}/32",
        "port range": f"{entry.first_port}-{entry.last_port}",
    }
