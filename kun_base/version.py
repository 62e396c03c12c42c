"""The version of the installed package: one for both programs."""

from functools import cache


@cache
def version() -> str:
    """ "unknown" when the code runs without having been installed."""
    # Not imported at the top: it would take a tenth of the time to the first answer.
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("kun-gateway")
    except PackageNotFoundError:
        return "unknown"
