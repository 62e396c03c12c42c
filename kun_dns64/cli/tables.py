"""Print what the running server answers as text for people: plain tables that fit 80 columns where they can."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows below a header, columns as wide as they need. No rows: a line that says so."""
    if not rows:
        return "none"
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def status_text(value: JSON) -> str:
    ready, config, workers = value["ready"], value["config"], value["workers"]
    kind = "compiled" if value["compiled"] else "pure Python"
    lines = [
        f"kun-dns64 {value['version']} ({kind}), up {value['uptime_s']:g} s",
        f"ready        forward {_yes(ready['forward'])}, synthesise {_yes(ready['synthesise'])}",
        f"configuration {config['file'] or '(flags and defaults)'}, generation {config['generation']}",
        f"listening    {' '.join(value['listen'])}",
        f"prefixes     {' '.join(value['prefixes'])}",
        f"workers      {len(workers)}, {sum(one['pending'] for one in workers)} queries pending, "
        f"{sum(one['cache_entries'] for one in workers)} answers cached",
    ]
    if value["tls_listen"]:
        lines.insert(4, f"TLS          {' '.join(value['tls_listen'])}")
    if value.get("follow") is not None:
        lines.append(f"table        {followed_text(value['follow'])}")
    lines += [f"refused file  {problem}" for problem in config["problems"]]
    return "\n".join(lines)


def upstreams_text(value: JSON) -> str:
    rows = [
        (
            one["upstream"],
            f"up ({one['up_in_workers']} of {one['workers']} workers)" if one["up"] else "DOWN",
            f"{one['srtt_ms']:g} ms",
            one["answers"],
            ", ".join(one["groups"]),
        )
        for one in value["upstreams"]
    ]
    return table(("UPSTREAM", "STATE", "TIME", "ANSWERS", "GROUPS"), rows)


def pools_text(value: JSON) -> str:
    rows = [
        (
            one["pool"],
            "not watched" if one["up"] is None else "up" if one["up"] else "DOWN",
            " ".join(one["prefixes"]),
            one["fallback"] or "-",
            " ".join(one["gateways"]) or "-",
        )
        for one in value["pools"]
    ]
    return (
        f"{table(('POOL', 'GATEWAYS', 'PREFIXES', 'FALLBACK', 'WATCHED'), rows)}\n{value['suffixes']} suffixes in pools"
    )


def client_text(value: JSON) -> str:
    return "\n".join(
        (
            f"{value['client']}: {'allowed' if value['allowed'] else 'REFUSED (not in allow_clients)'}",
            f"  class      {value['class'] or 'none'}",
            *_owner_lines(value.get("followed")),
            f"  DNS64      {_yes(value['dns64'])}",
            f"  filter A   {_yes(value['filter_a'])}",
            f"  pool       {value['pool']}",
            *(["  names its own clients by EDNS client subnet"] if value["may_name_clients"] else []),
        )
    )


def _owner_lines(who: JSON | None) -> list[str]:
    if who is None:
        return []
    pod = f"{who['namespace']}/{who['pod']}" if who["namespace"] else who["pod"]
    policy = [f"  policy     {who['policy']}"] if who["policy"] else []
    return [f"  pod        {pod} ({who['network']})", *policy]


def followed_text(value: JSON) -> str:
    records, held = value["records"], value["held"]
    age = "nothing received yet" if value["age_s"] is None else f"last line {value['age_s']:.0f} s ago"
    is_file = value["source"] == value["file"]
    state = "a file" if is_file else "connected" if value["connected"] else "NOT connected"
    lines = [
        f"{value['source']}: {state}, {age}",
        f"  version    {value['version']}, revision {value['revision']}",
        f"  holds      {records['client']} clients, {records['class']} classes, {records['pool']} pools",
        f"  file       {value['file'] or 'none: not kept over a restart'}",
    ]
    if value["error"]:
        lines.append(f"  error      {value['error']}")
    if held is not None:
        lines.append(f"  HELD       {held['version']}: {held['reason']}; in force with: kun-dns64 table --accept")
    return "\n".join(lines)


def cache_text(value: JSON) -> str:
    if not value["entries"]:
        return f"{value['name']}: nothing cached"
    lines = []
    for entry in value["entries"]:
        verdict = entry.get("rcode") or f"{entry['failure']} {entry['detail']}".rstrip()
        lines.append(
            f"{value['name']} {entry['type']}: {verdict}, {entry['state']}, {entry['left_s']} s, {entry['group']}"
        )
        lines += [f"  {record}" for record in (*entry.get("answer", ()), *entry.get("authority", ()))]
    return "\n".join(lines)


def flushed_text(value: JSON) -> str:
    return f"flushed {value['flushed']} entries of {value['of']}"


def reload_text(value: JSON) -> str:
    lines = [f"reloaded, generation {value['generation']}"]
    lines += [f"  {line}" for line in value["changed"]] or ["  nothing changed in the file"]
    lines += [f"  {key} waits for a restart" for key in value["needs_restart"]]
    return "\n".join(lines)


def top_text(value: JSON) -> str:
    column = value["by"][:-1]
    rows = [(f"{one['per_s']:g}", one[column]) for one in value["rows"][:20]]
    return f"{table(('QUERIES/S', column.upper()), rows)}\n{value['total_per_s']:g} queries a second in all"


def tail_lines(value: JSON) -> list[str]:
    return [
        f"{datetime.fromtimestamp(one['at'], UTC):%H:%M:%S.%f} {one['client']} {one['transport']} "
        f"{one['name']} {one['type']} {one['rcode']} {one['ms']:g} ms ({one['rule']}){_owner(one)}"
        for one in value["queries"]
    ]


def _owner(one: JSON) -> str:
    if not one.get("pod"):
        return ""
    pod = f"{one['namespace']}/{one['pod']}" if one["namespace"] else one["pod"]
    return f" {pod}" + (f", policy {one['policy']}" if one["policy"] else "")


def _yes(value: bool) -> str:
    return "yes" if value else "NO"
