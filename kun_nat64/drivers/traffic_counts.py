"""Reads what the table of policy/traffic_count.py has counted, through `nft`."""

from kun_nat64.drivers.command import Runner, failed
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats import traffic_table
from kun_nat64.model.publiccounts import CountedTraffic
from kun_nat64.policy.traffic_count import TABLE

LIST = ("nft", "-j", "list", "table", *TABLE.split())


async def counted_traffic(runner: Runner) -> CountedTraffic:
    """Nothing where the table is not there. Raises DriverError."""
    outcome = await runner.run(*LIST)
    if outcome.exit_code != 0:
        if "No such file" in outcome.stderr:
            return {}
        raise failed(LIST, outcome)
    with understanding(*LIST):
        return traffic_table.read(outcome.stdout)
