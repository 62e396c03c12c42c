"""Errors by whose fault they are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the operator's input: where (key path or flag), what stands there, what would be right.

    `line`: in the file; 0: not known. `shown`: the key path with names instead of numbers; "": as `where`.
    """

    where: str
    value: str
    wanted: str
    line: int = 0
    shown: str = ""

    def __str__(self) -> str:
        return self._text(self.where)

    def in_file(self, source: str) -> str:
        """With file and line, for people."""
        text = self._text(self.shown or self.where)
        return f"{source}:{self.line}: {text.removeprefix('file: ')}" if self.line else text

    def _text(self, where: str) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{where}{value}: {self.wanted}" if where else self.wanted


class ConfigError(Exception):
    """The operator's: a file or flag. Carries every fault at once; the program ends with exit code 2."""

    def __init__(self, source: str, faults: list[Fault]) -> None:
        self.source, self.faults = source, tuple(faults)
        count = f"{len(faults)} error" + ("s" if len(faults) != 1 else "")
        super().__init__("\n".join([f"{source}: {count}", *(f"  {fault.in_file(source)}" for fault in faults)]))
