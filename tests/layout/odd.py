"""YAML as nobody should write it, but may: all forms of collections and texts, odd indentation, comments everywhere."""

from __future__ import annotations

import random
from collections.abc import Iterator

WORDS = [
    "a",
    "b c",
    "http://x/y",
    "-1",
    "2500.00",
    "no",
    "null",
    "x#y",
    "-",
    "a: b",
    "é 𝄞",
    "",
    "${tenant}",
    "it's",
    'a "b"',
    "\\n",
]
PLAIN = [
    "a",
    "b c",
    "http://x/y",
    "-1",
    "2500.00",
    "no",
    "null",
    "x#y",
    "é 𝄞",
    "${tenant}",
    "it's",
    'a "b"',
    "<<x",
    "a\tb",
]
COMMENTS = ["# word", "#word", "#", "#!word", "## word", "#\tword", "#  deep: [", "# - item", "#'\"", "#é"]


def document(dice: random.Random) -> str:
    """One to three documents."""
    return _Author(dice).stream()


class _Author:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.anchors: list[str] = []
        self.named = 0

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def stream(self) -> str:
        text = ""
        for number in range(self.dice.choice([1, 1, 1, 2, 3])):
            self.anchors = []
            text += self.noise(0)
            head = (
                self.dice.choice(["", "---\n", "--- # head\n"])
                if number == 0
                else self.dice.choice(["---\n", "...\n---\n"])
            )
            if head.endswith("---\n") and self.chance(0.2):
                text += f"{head[:-1]} {self.scalar(0, False)}\n"
                continue
            text += head + "\n".join(self.collection(self.dice.choice([0, 0, 0, 1, 4]), 0)) + "\n"
        text += self.noise(0)
        if self.chance(0.2):
            text = text.rstrip("\n")
        return self.dice.choice([text, text, text.replace("\n", "\r\n"), "\ufeff" + text])

    def noise(self, indent: int) -> str:
        """Comments and blank lines, or nothing."""
        lines = []
        while self.chance(0.2):
            own = " " * max(0, indent + self.dice.choice([0, 0, 0, 1, -1, 3, -2])) + self.dice.choice(COMMENTS)
            lines.append(self.dice.choice([own, own, "", "  ", own + "  "]))
        return "".join(line + "\n" for line in lines)

    def behind(self) -> str:
        """What may end a line."""
        return self.dice.choice(["", "", "", "", " ", " #word", "   # word  ", "\t# word"])

    def anchor(self) -> str:
        if not self.chance(0.1):
            return ""
        self.named += 1
        self.anchors.append(f"n{self.named}")
        return f"&n{self.named} "

    def collection(self, indent: int, depth: int) -> Iterator[str]:
        lines = self.items(indent, depth) if self.chance(0.35) else self.fields(indent, depth)
        for number, line in enumerate(lines):
            noise = self.noise(indent) if number else ""
            yield f"{noise}{line}"

    def fields(self, indent: int, depth: int) -> Iterator[str]:
        margin = " " * indent
        for number in range(self.dice.choice([1, 2, 2, 3])):
            name = self.dice.choice([f"k{number}", f'"k {number}"', f"'k''{number}'", f"{number}"])
            if self.chance(0.1):
                yield f"{margin}? {name}{self.behind()}\n{margin}: {self.value(indent, depth, False)}"
            else:
                colon = self.dice.choice([": ", ": ", ": ", ":   ", " : ", ":\t"])
                yield f"{margin}{name}{colon}{self.value(indent, depth, True)}"
        if self.anchors and depth and self.chance(0.2):
            yield f"{margin}? k9"

    def items(self, indent: int, depth: int) -> Iterator[str]:
        margin = " " * indent
        for _ in range(self.dice.choice([1, 2, 3])):
            if depth < 4 and self.chance(0.3):
                gap = self.dice.choice([1, 1, 3])
                inner = "\n".join(self.collection(indent + 1 + gap, depth + 1))
                yield f"{margin}-{' ' * gap}{inner.lstrip(' ')}"
            else:
                yield f"{margin}- {self.value(indent, depth, False)}"

    def value(self, indent: int, depth: int, hangs: bool) -> str:
        """What stands behind a key or a dash, without the last line feed."""
        form = self.dice.random()
        if depth < 4 and form < 0.3:
            step = self.dice.choice([1, 2, 2, 3, 4])
            anchor = self.anchor()
            end = f"{self.behind()}\n{self.noise(indent + step)}"
            if hangs and self.chance(0.3):
                lines = list(self.items(indent, depth + 1))
                return anchor + end + "\n".join(lines)
            return anchor + end + "\n".join(self.collection(indent + step, depth + 1))
        if form < 0.4:
            return self.block(indent)
        if form < 0.5 and self.anchors:
            return f"*{self.dice.choice(self.anchors)}{self.behind()}"
        if form < 0.65:
            return self.anchor() + self.flow(indent + 1, 0) + self.behind()
        if form < 0.7:
            return self.behind().replace("\t", " ")
        below = f"\n{' ' * (indent + 3)}" if self.chance(0.15) else ""
        tag = self.dice.choice(["", "", "", "!!str ", "! "])
        return below + self.anchor() + tag + self.scalar(indent + 1, False) + self.behind()

    def scalar(self, indent: int, in_flow: bool) -> str:
        form = self.dice.randrange(6)
        fold = "\n" * self.dice.choice([1, 1, 2]) + " " * (indent + self.dice.choice([1, 2, 5]))
        text = self.dice.choice(WORDS)
        if form == 0:
            return (
                '"'
                + text.replace("\\n", "").replace('"', '\\"')
                + self.dice.choice(["", f" {fold}x", f"\\{fold}x", f"\\ {fold}\\ x"])
                + '"'
            )
        if form == 1:
            return "'" + text.replace("'", "''") + self.dice.choice(["", f"{fold}x ", f" y  {fold}''"]) + "'"
        if form == 2 and not in_flow:
            return self.dice.choice(PLAIN) + f"{fold}more{fold}words"
        return self.dice.choice(PLAIN).replace("${tenant}", "x") if in_flow else self.dice.choice(PLAIN)

    def block(self, indent: int) -> str:
        digit = self.dice.choice([0, 0, 0, 2, 3])
        header = self.dice.choice("|>") + (str(digit) if digit else "") + self.dice.choice(["", "-", "+"])
        margin = " " * (indent + (digit or self.dice.choice([1, 2, 5])))
        first = self.dice.choice(["text", "  text", " "]) if digit else "text"
        lines = [
            first,
            *(self.dice.choice(["more", "  deeper", "", "# no comment", "  ", "\ttab", "- x: y"]) for _ in range(3)),
        ]
        body = "\n".join(margin + line if line.strip() or self.chance(0.3) else "" for line in lines)
        return f"{header}{self.dice.choice(['', ' # word', '  '])}\n{self.dice.choice(['', '', chr(10)])}{body}"

    def flow(self, indent: int, depth: int) -> str:
        def between() -> str:
            own = self.dice.choice(["", "", " ", "  ", "\n", " # word\n", "\n\n", "\n# word\n"])
            return own + " " * (indent + self.dice.choice([0, 2])) if "\n" in own else own

        is_map = self.chance(0.5)
        parts = []
        for number in range(self.dice.randrange(4)):
            key = self.dice.choice([f"k{number}: ", f'"k{number}":', f"'k{number}' : "]) if is_map else ""
            inner = self.flow(indent + 1, depth + 1) if depth < 2 and self.chance(0.3) else self.scalar(indent, True)
            parts.append(f"{between()}{key}{inner}{between()}")
        text = ",".join(parts) + ("," + between() if parts and self.chance(0.2) else "")
        return f"{{{text}}}" if is_map else f"[{text}]"
