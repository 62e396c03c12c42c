"""What the API server refused, or that it did not answer."""


class KubeError(Exception):
    """The API server did not do what was asked: HTTP status (0: no answer) and its words."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(f"{code}: {message}" if code else message)


def words_of(error: Exception) -> str:
    """Name an error of a library, with its message where it has one."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
