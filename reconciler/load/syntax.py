"""Turns what libyaml says about a file that is not YAML into words, a place and a hint."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from yaml.error import MarkedYAMLError

from reconciler.errors import Place, Problem
from reconciler.patterns import regex

QUOTE = "put the text in quotes"
LATER_MARK = re.compile("\n\ufeff")
OLD_YAML = re.compile(rb"(?:\A|\n)(?:\xef\xbb\xbf)?%YAML[ \t]+1\.[01]\b")
SEPARATORS = regex("[\x85\u2028\u2029]")
CONFLICT = re.compile(rb"^<{7}(?: |\r?$)", re.MULTILINE)
# What libyaml calls control characters.
STRAY = regex("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")

BARE = regex(r"""(?<!["'$\w])\$\{[^"'}]{0,80}\}?$""")
BARE_NAME = regex(r"\$\{(?:tenant|var\.[A-Za-z0-9_-]{1,63})\}")
MAX_DEPTH = 64
DEEP = "exceeded maximum nesting depth"  # newer releases of libyaml bound it themselves, as they scan ahead

# What libyaml says | what we say | the hint
SAYINGS = """
mapping values are not allowed in this context | a ':' is not allowed here | \
put the text in quotes, or check the indentation
mapping keys are not allowed in this context | a key is not allowed here | check the indentation
block sequence entries are not allowed in this context | a list item is not allowed here | \
start the list on its own line, below the key
could not find expected ':' | a line is neither 'key: value' nor the continuation of a text | \
add a ':' after the key, or indent the continuation of a text
did not find expected key | this does not line up with the keys above | \
check the indentation, and that nothing follows a closing quote
did not find expected '-' indicator | this does not line up with the list above | \
start a list item with '- ', or check the indentation
did not find expected ',' or ']' | a '[' is not closed | add a ',' between the items, or the closing ']'
did not find expected ',' or '}' | a '{' is not closed | add a ',' between the fields, or the closing '}'
found unexpected end of stream | a quote is not closed | add the closing quote
found unexpected document indicator | a quote is not closed before the next document | add the closing quote
found unknown escape character | this escape is not known in double quotes | \
write a backslash twice, or use single quotes
found invalid Unicode character escape code | this escape is not a character | \
write the character itself, or \\UXXXXXXXX instead of a pair of \\uXXXX
found character that cannot start any token | a text cannot start with this character | put the text in quotes
did not find expected <document start> | something follows after the end of the document | separate documents by '---'
did not find expected node content | a value is expected here | put the text in quotes
found undefined tag handle | this tag is not declared | put the text in quotes if the '!' belongs to it
""".strip()
WORDS = {
    said.strip(): (message.strip(), hint.strip())
    for said, message, hint in (line.split("|") for line in SAYINGS.splitlines())
}


def place_after(before: str, file: str) -> Place:
    """Return the place of what follows after this text."""
    before = before.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def encoding_problem(data: bytes, file: str) -> Problem | None:
    """Return what libyaml must not even see, because it would misread it."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        place = place_after(data[: error.start].decode(), file)
        return Problem("not-utf8", "this file is not UTF-8", place=place, hint="save it as UTF-8")
    # libyaml still breaks lines at these as YAML 1.1 did, which changes texts and misplaces every later line.
    if found := SEPARATORS.search(text):
        name = f"{ord(found[0]):04X}"
        message = f"the line separator U+{name} means different things to different readers of YAML"
        hint = f'replace it, or write it as "\\u{name}" in double quotes'
        return Problem("invalid-character", message, place=place_after(text[: found.start()], file), hint=hint)
    if found := LATER_MARK.search(text):
        message = "a byte-order mark (U+FEFF) stands inside of this file, where it begins a line"
        place = place_after(text[: found.end() - 1], file)
        return Problem(
            "invalid-character", message, place=place, hint="remove it: only a whole file may begin with one"
        )
    return None


def version_problem(data: bytes, file: str) -> Problem | None:
    """Return the problem of a file that asks for YAML 1.1, where `no`, `1:30` and `010` mean other things."""
    found = OLD_YAML.search(data)
    if found is None:
        return None
    place = Place(file, data.count(b"\n", 0, found.start()) + 1, 1)
    message = "this file asks for YAML 1.1, and is read as YAML 1.2: `no`, `on`, `1:30` and `010` differ"
    return Problem("yaml-syntax", message, place=place, hint="leave the line out, or write %YAML 1.2")


def character_problem(data: bytes, file: str) -> Problem:
    """Return the first control character of the file."""
    text = data.decode()
    found = STRAY.search(text)
    place = place_after(text[: found.start()], file) if found else Place(file)
    name = f"the character U+{ord(found[0]):04X}" if found else "a control character"
    hint = "is this a text file? in double quotes it may be written as an escape"
    return Problem("invalid-character", f"{name} is not allowed in YAML", place=place, hint=hint)


def tab_problem(place: Place) -> Problem:
    """Return the problem of a tab used as indentation."""
    return Problem("tab-indentation", "a tab is used as indentation", place=place, hint="indent with spaces")


def syntax_problem(error: MarkedYAMLError, data: bytes, file: str) -> Problem:
    """Never quotes the file: what stands there may be a secret."""
    mark: Any = error.problem_mark or error.context_mark
    said = error.problem or ""
    if mark is None:
        return unreadable(file)
    if conflict := CONFLICT.search(data):
        place = Place(file, data.count(b"\n", 0, conflict.start()) + 1, 1)
        return Problem("yaml-syntax", "a merge conflict was left here", place=place, hint="resolve it, as git says")
    lines = data.splitlines()
    line = lines[mark.line].decode().removeprefix("\ufeff") if mark.line < len(lines) else ""
    place = Place(file, mark.line + 1, mark.column + 1)
    if said.startswith(DEEP):
        # libyaml is far ahead by then: the place is where our own bound was passed, as far as brackets tell
        opened_at = [found.start() for found in islice(re.finditer(r"[\[{]", data.decode()), MAX_DEPTH + 1)]
        place = place_after(data.decode()[: opened_at[MAX_DEPTH]], file) if len(opened_at) > MAX_DEPTH else place
        return Problem("too-deep", f"more than {MAX_DEPTH} levels inside each other", place=place)
    if mark.line >= len(lines) > 0:  # behind the last line there is nothing to show
        place = Place(file, len(lines), len(lines[-1].decode()) + 1)
    if "tab character" in said or ("cannot start any token" in said and line[mark.column : mark.column + 1] == "\t"):
        return tab_problem(place)
    if said.startswith("did not find expected node content") and line[mark.column : mark.column + 1] == ":":
        message = "libyaml reads no text that begins with a colon inside of brackets"
        return Problem("yaml-syntax", message, place=place, hint="put the text in quotes")
    message, hint = WORDS.get(said) or (f"{error.context or 'while reading YAML'}: {said}", QUOTE)
    related: tuple[tuple[str, Place], ...] = ()
    opened: Any = error.context_mark
    if opened is not None and said.startswith("could not find expected ':'"):
        place = Place(file, opened.line + 1, opened.column + 1)  # libyaml notices it only in the next line
    elif (bare := BARE.search(line[: mark.column + 1])) and "is not closed" in message:
        name = BARE_NAME.match(line[bare.start() :])
        text = name[0] if name else "${...}"
        place = Place(file, mark.line + 1, bare.start() + 1)
        return Problem(
            "yaml-syntax",
            "`${...}` inside of `{ }` or `[ ]` needs quotes: YAML reads its brace as a map",
            place=place,
            hint=f'write "{text}"' if name else QUOTE,
        )
    elif opened is not None and "is not closed" in message:
        start = Place(file, opened.line + 1, opened.column + 1)
        if mark.line >= len(lines) or (mark.line == len(lines) - 1 and not line[mark.column :].strip()):
            place, message = start, f"{message} until the end of the file"
        else:
            message = f"{message}; it was opened in line {start.line}"
            related = (("opened here", start),)
    return Problem("yaml-syntax", message, place=place, hint=hint, related=related)


def unreadable(file: str) -> Problem:
    """Return the problem of a file that libyaml can't read."""
    return Problem("yaml-syntax", "this file cannot be read as YAML", place=Place(file))
