"""The kun-dns64 command. Exit codes: 0 done, 1 could not, 2 wrong file or flag (every error on stderr)."""

import sys
from types import ModuleType
from typing import Any


class _NoPlugins(ModuleType):
    """Stands where pydantic would look for plugins among all installed packages: an eighth of the start for nothing.

    Telling it not to look (PYDANTIC_DISABLE_PLUGINS) would still load what reads the packages' descriptions.
    """

    @staticmethod
    def get_plugins() -> tuple[Any, ...]:
        return ()


sys.modules.setdefault("pydantic.plugin._loader", _NoPlugins("pydantic.plugin._loader"))

EXIT_FAILED, EXIT_CONFIG = 1, 2


def main() -> None:
    """`serve` in its plain form goes without the command-line library, which would take as long as all the rest."""
    from kun_base import standard_streams

    standard_streams.open_closed_ones()
    import gc

    # Starting makes no garbage worth looking for.
    gc.disable()
    from kun_base.errors import ConfigError

    try:
        code = _serve_at_once(sys.argv[1:])
        if code is None:
            gc.enable()
            from kun_dns64.cli.commands import app

            app()
    except ConfigError as error:
        print(error, file=sys.stderr)
        code = EXIT_CONFIG
    except KeyboardInterrupt:
        code = 130
    finally:
        standard_streams.flush()
    sys.exit(code)


def _serve_at_once(arguments: list[str]) -> int | None:
    """None: not a plain `serve`."""
    if arguments[:1] != ["serve"]:
        return None
    from kun_base.earlysignals import hold

    hold()
    from kun_dns64.cli.serve_flags import read_flags

    source = read_flags(arguments[1:])
    if source is None:
        return None
    from kun_dns64.processes.serve import serve

    return serve(source)
