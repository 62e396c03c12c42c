"""The command line."""

import sys
from pathlib import Path

from kun_dns64.config.flags import Flags


def main() -> None:
    from kun_base.errors import ConfigError

    try:
        code = _serve(sys.argv[2:])
    except ConfigError as error:
        print(error, file=sys.stderr)
        code = 2
    raise SystemExit(code)


def _serve(arguments: list[str]) -> int:
    from kun_dns64.app import serve
    from kun_dns64.loading import Source

    return serve(Source(Path(arguments[1]), Flags()))
