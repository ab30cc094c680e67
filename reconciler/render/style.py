"""Text coloured and fitted to a terminal, where there is one."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.render.width import LEAST, cut, wrapped

_CODES = {"red": 31, "green": 32, "yellow": 33, "cyan": 36, "magenta": 35, "bold": 1, "dim": 2}
OP_COLOURS = {"+": "green", "-": "red", "~": "yellow"}


class Style:
    """``paint`` adds colour if this output has any. Without a ``width``, as in a pipe, nothing is wrapped or cut."""

    def __init__(self, colour: bool, width: int | None = None, whole: bool = False) -> None:
        """``whole``: what is only there for context is not cut either."""
        self._colour = colour
        self.width = width
        self.whole = whole

    def lines(self, text: str) -> Iterable[str]:
        """Wrap a text to the terminal."""
        return [text] if self.width is None else wrapped(text, self.width)

    def context(self, text: str, beside: int) -> str:
        """Return what did not change, on one line: cut in the middle where it has no room beside so many cells."""
        return text if self.width is None or self.whole else cut(text, max(LEAST, self.width - beside))

    def paint(self, text: str, *styles: str) -> str:
        if not self._colour or not text:
            return text
        return "".join(f"\x1b[{_CODES[style]}m" for style in styles) + text + "\x1b[0m"
