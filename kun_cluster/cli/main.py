"""The kun-controller command. Exit codes: 0 done, 1 could not, 2 wrong file or flag (every error on stderr)."""

import sys
from typing import NoReturn

from kun_base.errors import ConfigError

EXIT_FAILED, EXIT_CONFIG = 1, 2


def main() -> NoReturn:
    """Run one command."""
    from kun_cluster.cli.commands import app

    code = 0
    try:
        app()
    except ConfigError as error:
        print(error, file=sys.stderr)
        code = EXIT_CONFIG
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
