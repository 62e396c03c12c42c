"""The kun-nat64 command. Exit codes: 0 done, 1 could not, 2 wrong file or flag, 10 changes, 11 refused by the guard."""

import sys
from typing import NoReturn

from kun_base import standard_streams
from kun_base.errors import ConfigError

EXIT_CONFIG = 2


def main() -> NoReturn:
    """Run a command. A plain `who` loads no command-line library: that takes three times as long as the answer."""
    standard_streams.open_closed_ones()
    arguments = sys.argv[1:]
    try:
        code = _who_at_once(arguments)
        if code is None:
            if arguments[:1] == ["run"]:
                from kun_base.earlysignals import hold

                hold()
            from kun_nat64.cli.commands import app

            app()
    except ConfigError as error:
        print(error, file=sys.stderr)
        code = EXIT_CONFIG
    except KeyboardInterrupt:
        code = 130
    finally:
        standard_streams.flush()
    sys.exit(code)


def _who_at_once(arguments: list[str]) -> int | None:
    """None: not a plain `who`."""
    if arguments[:1] != ["who"]:
        return None
    from kun_nat64.cli.who_flags import read_flags

    asked = read_flags(arguments[1:])
    if asked is None:
        return None
    from kun_nat64.cli.who import show_who

    return show_who(asked)
