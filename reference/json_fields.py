"""Tables of the JSON fields that `--json` and the admin pages give, for docs/reference.md."""

from collections.abc import Iterator
from dataclasses import dataclass

from reference.json_source import fields_of
from reference.markdown import row, table_head

STABILITY = """\
Names and kinds of fields stay, and so do the words of `standing`, `reason`, `cause`, `phase`, `state`, `rule`, `level`.
A new version may add fields: skip those that you do not know. Sentences for people (`words`, `text`, `remedy`,
`detail`) may change. What ends in `_s` is a duration or an age in seconds; times are seconds since 1970 (UTC). A
command that fails prints `{"error": "..."}`. `[]` is a list of such objects, NAME a key that is a name."""


@dataclass(frozen=True, slots=True)
class Output:
    """`name`: the function or class; `at`: the path below which its fields are."""

    title: str
    module: str
    name: str
    at: str = ""


DNS64 = (
    Output("`kun-dns64 status`, /status", "kun_dns64.control.admin_pages", "Pages._status"),
    Output("`kun-dns64 upstreams`", "kun_dns64.control.operations", "Operations.upstreams"),
    Output("`kun-dns64 pools`", "kun_dns64.control.operations", "Operations.pools"),
    Output("`kun-dns64 clients`", "kun_dns64.control.client_view", "client_view"),
    Output("`kun-dns64 cache`", "kun_dns64.control.operations", "Operations.cache"),
    Output("`kun-dns64 explain`, /explain", "kun_dns64.control.explanation", "as_dict"),
    Output("`kun-dns64 reload`", "kun_dns64.control.operations", "Operations.reload"),
    Output("`kun-dns64 tail`", "kun_dns64.control.operations", "Operations.tail"),
    Output("`kun-dns64 top`", "kun_dns64.control.operations", "Operations.top"),
    Output("`kun-dns64 table`", "kun_base.table_follower", "TableFollower.status"),
    Output("`kun-dns64 test`", "kun_base.path_test", "PathStep", "steps[]."),
)
NAT64 = (
    Output("`kun-nat64 status`, /status", "kun_nat64.views.status", "snapshot"),
    Output("`kun-nat64 fleet`", "kun_nat64.views.fleet", "FleetRow", "[]."),
    Output("`kun-nat64 plan`", "kun_nat64.cli.plan", "_as_data"),
    Output("`kun-nat64 doctor`", "kun_nat64.model.inspection", "Finding", "[]."),
    Output("`kun-nat64 explain`", "kun_nat64.views.explanation", "as_data"),
    Output("`kun-nat64 who`", "kun_nat64.formats.port_question", "answer_data"),
    Output("`kun-nat64 table`", "kun_base.table_follower", "TableFollower.status"),
    Output("`kun-nat64 test`", "kun_base.path_test", "PathStep", "steps[]."),
)


def json_tables() -> Iterator[str]:
    for program, outputs in (("kun-dns64", DNS64), ("kun-nat64", NAT64)):
        yield from ("", f"## JSON of {program}", "", STABILITY)
        for output in outputs:
            yield from ("", f"### JSON: {output.title}", "")
            yield from table_head("field", "kind", "meaning")
            found = fields_of(output.module, output.name, output.at)
            yield from (row(f"`{one.path}`", one.kind, one.meaning) for one in found)
