"""Errors by whose fault they are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the operator's input: where (key path or flag), what stands there, what would be right."""

    where: str
    value: str
    wanted: str

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.where}{shown}: {self.wanted}"


class ConfigError(Exception):
    """The operator's: a file or flag. Carries every fault at once; the program ends with exit code 2."""

    def __init__(self, source: str, faults: list[Fault]) -> None:
        self.source, self.faults = source, tuple(faults)
        count = f"{len(faults)} error" + ("s" if len(faults) != 1 else "")
        super().__init__("\n".join([f"{source}: {count}", *(f"  {fault}" for fault in faults)]))
