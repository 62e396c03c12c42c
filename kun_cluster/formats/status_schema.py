"""Schemas of the statuses that the controller writes; for `kubectl explain` and for the API server's check."""

from typing import Any

Schema = dict[str, Any]


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _count(description: str) -> Schema:
    return {"type": "integer", "format": "int32", "description": description}


def _time(description: str) -> Schema:
    return {"type": "string", "format": "date-time", "description": description}


CONDITIONS: Schema = {
    "type": "array",
    "description": "What is so, since when, and why.",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": {
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": _text("What is judged."),
            "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Is it so?"},
            "reason": _text("Why, in one word."),
            "message": _text("Why, in a sentence that names the other object, if there is one."),
            "lastTransitionTime": _time("When status changed last."),
            "observedGeneration": {"type": "integer", "format": "int64", "description": "Generation that was judged."},
        },
    },
}
_OBSERVED: Schema = {"type": "integer", "format": "int64", "description": "Generation of the spec this is about."}


def _status(**fields: Schema) -> Schema:
    properties = {"observedGeneration": _OBSERVED, "conditions": CONDITIONS} | fields
    return {"type": "object", "description": "What the controller has seen.", "properties": properties}


STATUS: dict[str, Schema] = {
    "EgressPool": _status(
        gateways=_text("Gateways that announce, of all that shall serve: 2/3."),
        shares={
            "type": "object",
            "description": "Shares of the pool's dedicated addresses and of those not yet given to a gateway.",
            "properties": {
                "free": _count("Nobody has them."),
                "taken": _count("A policy has them."),
                "cooling": _count("Released, and kept until coolDown is over."),
            },
        },
        current=_text("Gateways that run the version they shall, of all: 2/3."),
        rollout={
            "type": "object",
            "description": "The gateway whose turn it is to be upgraded.",
            "required": ["gateway", "phase", "since", "version"],
            "properties": {
                "gateway": _text("Its name."),
                "phase": _text("Draining, Upgrading (install the version now), Returning, or Stopped."),
                "since": _time("When this phase began."),
                "version": _text("Version it shall run."),
                "message": _text("Why the rollout stopped."),
            },
        },
        cordoned={
            "type": "array",
            "items": {"type": "string"},
            "description": "Gateways that are drained because their nodes are cordoned or out of service.",
        },
    ),
    "EgressGateway": _status(
        version=_text("Version its agent says it runs."),
        lastPacketTime=_time("When a packet last came back through its translator."),
        diagnosis=_text("What its agent says is wrong."),
        order=_text("What the table tells its agent: Serve, Drain or Out."),
        wantedVersion=_text("Version it shall run; empty: any."),
        rollout=_text("Draining, Upgrading (install the version now), Returning, Stopped, Cordoned; empty: none."),
    ),
    "EgressPolicy": _status(
        pods=_count("Pods it is in force for."),
        addresses={
            "type": "array",
            "items": {"type": "string"},
            "description": "Public addresses and ports of these pods.",
        },
        programmed=_text("Consumers that follow this table, of those connected: 2/2 resolvers, 3/3 gateways."),
        version=_text("Version of the table that says so."),
    ),
}
