"""The whole agent over stand-ins, until it is stopped.

usage: python -m bench.nat64.agent FOLDER ADDRESSES ADMIN-PORT PROBE-NAMESPACE API [MEMBER...]
"""

import asyncio
import signal
import sys
from pathlib import Path

from bench.nat64.host import SettledHost, with_tools
from bench.nat64.spec import spec_with
from kun_base.journal import Journal
from kun_nat64.agent.options import Options
from kun_nat64.agent.serve import serve
from kun_nat64.agent.wiring import Agent
from kun_nat64.model.spec import AgentSpec


async def idle(spec: AgentSpec, folder: Path) -> None:
    options = Options(config=folder / "none.toml", run_dir=folder)
    agent = Agent(spec, options, Journal("kun-nat64", level="info"), SettledHost(spec))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, agent.stop.set)
    await serve(agent)


def main() -> None:
    folder = Path(sys.argv[1])
    spec = spec_with(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5], tuple(sys.argv[6:]))
    with_tools(folder, spec)
    asyncio.run(idle(spec, folder))


if __name__ == "__main__":
    main()
