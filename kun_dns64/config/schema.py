"""The JSON schema of the file, with defaults as the operator would write them."""

from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from kun_base.key_descriptions import with_descriptions
from kun_dns64.config.endpoint import Endpoint, UpstreamAddress
from kun_dns64.config.file import ConfigFile

WRITTEN_AS_TEXT = (Endpoint, UpstreamAddress, IPv4Network, IPv6Network)


class _AsWritten(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, list):
            return [self.encode_default(item) for item in dft]
        return str(dft) if isinstance(dft, WRITTEN_AS_TEXT) else super().encode_default(dft)


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12."""
    schema = with_descriptions(ConfigFile.model_json_schema(schema_generator=_AsWritten), ConfigFile)
    for section in schema["$defs"].values():
        for key in section["properties"].values():
            # TOML has no null: what may be left out has no default to show.
            if key.get("default", "") is None:
                del key["default"]
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}
