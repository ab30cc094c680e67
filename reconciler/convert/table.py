"""The formats that can be converted, and the inputs of one run turned into what was converted of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reconciler.convert import agentgateway, deck, envoy, litellm, mcp, openapi, toolbox
from reconciler.convert.conversion import Conversion, Converted, NotOfThisFormat, finished
from reconciler.convert.ledger import Ledger
from reconciler.convert.names import Names
from reconciler.convert.neighbours import neighbours
from reconciler.convert.reading import invalid, read_inputs
from reconciler.convert.references import References
from reconciler.convert.restrictions import Restriction
from reconciler.errors import ConfigurationInvalid, Problem


class Format(NamedTuple):
    """How files of one format are converted, and the fields of it that limit what may be done."""

    convert: Callable[[Conversion], None]
    restrictions: tuple[Restriction, ...]


FORMATS: dict[str, Format] = {
    "agentgateway": Format(agentgateway.convert, agentgateway.RESTRICTIONS),
    "deck": Format(deck.convert, deck.RESTRICTIONS),
    "envoy": Format(envoy.convert, envoy.RESTRICTIONS),
    "litellm": Format(litellm.convert, litellm.RESTRICTIONS),
    "mcp": Format(mcp.convert, mcp.RESTRICTIONS),
    "openapi": Format(openapi.convert, openapi.RESTRICTIONS),
    "toolbox": Format(toolbox.convert, toolbox.RESTRICTIONS),
}


def convert(format: str, files: tuple[str, ...], tenant: str, named: dict[str, str] | None = None) -> list[Converted]:
    """Convert files; ``named`` are types of the sources that Toolbox files only name. Raises ConfigurationInvalid where one can't be read, isn't of the format, or where nothing came of any."""
    sources = read_inputs(files)
    around = [neighbours(source) if format == "openapi" else {} for source in sources]
    ledgers = [
        Ledger([one.value for one in source.documents] + [one.documents[0].value for one in near.values()])
        for source, near in zip(sources, around, strict=True)
    ]
    references = References(ledger.value for ledger in ledgers)
    names = Names(references.hidden)
    done: list[Converted] = []
    problems: list[Problem] = []
    for source, near, ledger in zip(sources, around, ledgers, strict=True):
        conversion = Conversion(source, tenant, names, references, ledger)
        conversion.sources = dict(named or {})
        count = len(source.documents)
        conversion.files = dict(enumerate(near, count))
        conversion.more = dict(enumerate(near.values(), count))
        try:
            FORMATS[format].convert(conversion)
            done.append(finished(conversion, FORMATS[format].restrictions))
        except NotOfThisFormat as error:
            problems += invalid(
                source, "wrong-format", f"this is no {format} file: {error.message}", error.path
            ).problems
    if not problems and not any(one.specs for one in done):
        # the reasons, since nobody sees a report now
        for one in done:
            reasons = [finding.message for finding in one.ledger.findings if finding.what in ("restriction", "left")]
            first = next(
                (reason for reason in reasons if "can't be written" in reason), next(iter(reasons), "it is empty")
            )
            problems += invalid(
                one.source, "nothing-converted", f"nothing of this could be converted: {first}"
            ).problems
    if problems:
        raise ConfigurationInvalid(*problems)
    return done
