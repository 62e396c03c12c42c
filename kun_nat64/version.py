"""The version of the installed package."""

from functools import cache


@cache
def version() -> str:
    """ "unknown" when the code runs without having been installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("kun-gateway")
    except PackageNotFoundError:
        return "unknown"
