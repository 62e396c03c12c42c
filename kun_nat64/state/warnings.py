"""What the agent warns about now, each in one sentence."""

from collections.abc import Iterator, Mapping

from kun_nat64.model.warnings import WarningName


class Warnings(Mapping[WarningName, str]):
    """Read as a mapping. Each name is written by one module."""

    def __init__(self) -> None:
        self._words: dict[WarningName, str] = {}

    def __getitem__(self, name: WarningName) -> str:
        return self._words[name]

    def __iter__(self) -> Iterator[WarningName]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def warn(self, name: WarningName, words: str) -> bool:
        """Warn of `words`; "" ends the warning. True: the words are new, and worth a line in the log."""
        if not words:
            self._words.pop(name, None)
            return False
        before, self._words[name] = self._words.get(name), words
        return words != before

    def end_warning(self, name: WarningName) -> None:
        self._words.pop(name, None)
