"""Templates of type `file`: one reviewed operation on the files of a datasource."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from reconciler.errors import Path, Problem
from reconciler.kinds.rules import GIVEN, Bytes, Case, Fault, Rows, Seconds, by_cases, settle
from reconciler.kinds.template import declared
from reconciler.kinds.template.common import Template, action_faults, caps, connector_of, mismatch, used_as_declared
from reconciler.kinds.template.file_path import MEDIA_TYPE, covers, extent, filled, is_segment, unfit
from reconciler.kinds.template.http_values import NAME
from reconciler.kinds.template.json_schema import body_faults
from reconciler.kinds.template.types import TemplateType
from reconciler.model.body import Body
from reconciler.model.fields import BareText, Form, FreeJson, Name, Object, Replacing, ShortText, fail, identifier
from reconciler.model.judges import takes_value
from reconciler.model.kind import Lookup
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, NoRisk, Risk

TYPES = frozenset({"file", "document"})
"""Datasources whose files a template may use."""
_ACTIONS: Mapping[str, str] = {"list": "list", "read": "retrieve"}
_CAPS = ("max_bytes", "timeout_seconds")


def _path(text: str) -> str:
    for segment in text.split("/"):
        literal = NAME.sub("", segment)
        if "{" in literal or "}" in literal:
            raise fail("invalid-placeholder", "a parameter stands as {name}, with letters, digits and underscores")
        if literal == segment and not is_segment(segment):
            raise fail(
                "invalid-path", "expected names with one / between them, without `.`, `..`, \\ and invisible characters"
            )
        if literal != segment and not is_segment(f"x{literal}"):
            raise fail("invalid-path", "expected names with one / between them, without \\ and invisible characters")
        if literal != segment and literal and not literal.strip("."):
            raise fail("invalid-path", "dots next to a parameter could make `..`; add other text")
    return text


def _content(text: str) -> str:
    if not NAME.fullmatch(text):
        raise fail("invalid-placeholder", "expected one {name} alone: the parameter that is the file's text")
    return text


def _media_type(text: str) -> str:
    if not MEDIA_TYPE.fullmatch(text):
        raise fail("invalid-format", "expected a media type in lower case and without parameters, e.g. text/csv")
    return text


FilePath: TypeAlias = Annotated[
    BareText,
    AfterValidator(_path),
    AfterValidator(identifier),
    Form("file_path", r"^[^/\\]+(?:/[^/\\]+)*$", "expected a path without leading and trailing /"),
]
MediaType: TypeAlias = Annotated[
    ShortText,
    AfterValidator(_media_type),
    Form("media_type", r"^[a-z0-9][^\s/;]*/[^\s/;]+$", "expected a media type, e.g. text/csv"),
]
Content: TypeAlias = Annotated[
    ShortText,
    AfterValidator(_content),
    Form("file_content", r"^\{[A-Za-z_][A-Za-z0-9_]*\}$", "expected one {name} alone"),
]


class File(Template):
    """One operation on files; the caller gives values, never a bucket or a path."""

    type: Replacing[Literal["file"]] = Field(description="An operation on files.")
    datasource: Annotated[Name, BY_ACCESS] = Field(
        description="The name of the datasource whose files are used; its connector has to be of type `file`."
    )
    operation: Annotated[Literal["list", "read", "write", "delete"], Risk("statement-changed")] = Field(
        description="What is done. `write` and `delete` need a connector whose `read_only` is false."
    )
    path: Annotated[FilePath | None, Risk("statement-changed")] = Field(
        None,
        description="The file below the datasource's prefix, e.g. `{year}/{name}.csv`; for `list` the folder, and without it all "
        "of the datasource. A parameter fills one name or a part of one, and never leads out of it.",
    )
    content: Annotated[Content | None, Risk("statement-changed")] = Field(
        None,
        description="write: `{name}`, the parameter of type `string` whose value becomes the file's text. Either this or `body`.",
    )
    body: Annotated[FreeJson, Object(), Risk("statement-changed"), Risk("access-widened")] = Field(
        None,
        description="write: a JSON Schema (Draft 2020-12) of the JSON that the caller gives as `body`, and that becomes the file.",
    )
    media_type: Annotated[MediaType | None, Risk("statement-changed")] = Field(
        None,
        description="write: the media type that the store keeps with the file. Without it, that of the name's end.",
    )
    if_exists: Annotated[Literal["fail", "replace"] | None, Risk("access-widened", by=takes_value("replace"))] = Field(
        None,
        description="write: what happens to a file of that name: the call fails (`fail`, the default), or it is replaced.",
    )
    too_large: Annotated[Literal["fail", "cut"] | None, NoRisk("no more bytes than `max_bytes` leave the store")] = (
        Field(
            None,
            description="read: what happens to a file above `max_bytes`: the call fails (`fail`, the default), or its beginning is read.",
        )
    )
    max_bytes: Bytes | None = Field(
        None, description="The largest file in bytes. Without it, the connector's bound counts."
    )
    max_results: Rows | None = Field(None, description="list: the most files of a result. Without it 1000.")
    timeout_seconds: Seconds | None = Field(
        None, description="How long it may take, in seconds. Without it, the connector's bound counts."
    )

    cases: ClassVar = (
        *(Case({"operation": (one,)}, f"for {one}", needed=("path",)) for one in ("read", "write", "delete")),
        Case(
            {"operation": ("write",)},
            some=("content", "body"),
            says="`write` needs `content` or `body`: what becomes the file",
        ),
        Case({"content": (GIVEN,)}, barred=("body",), says="give either `content` or `body`, not both"),
        Case(
            {"operation": ("list",)},
            "for list",
            barred=("content", "body", "media_type", "if_exists", "too_large", "max_bytes"),
        ),
        Case(
            {"operation": ("read",)}, "for read", barred=("content", "body", "media_type", "if_exists", "max_results")
        ),
        Case({"operation": ("write",)}, "for write", barred=("too_large", "max_results")),
        Case(
            {"operation": ("delete",)},
            "for delete",
            barred=("content", "body", "media_type", "if_exists", "too_large", "max_results", "max_bytes"),
        ),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from by_cases(self, self.cases)
        yield from action_faults(self, self.operation in _ACTIONS)
        yield from body_faults(self.body, self.parameters)
        yield from self._parameter_faults()

    def _parameter_faults(self) -> Iterator[Fault]:
        for name in dict.fromkeys(NAME.findall(self.path or "")):
            parameter = self.parameters.get(name)
            if parameter is not None and parameter.type == "array":
                yield Fault(("path",), "parameter-mismatch", f"`{name}` is an array, and a name is one value")
        text = self.parameters.get(self.content[1:-1]) if self.content else None
        if text is not None and (text.type != "string" or text.nullable):
            yield Fault(
                ("content",),
                "parameter-mismatch",
                "the file's text is a parameter of type `string` that is not nullable",
            )


def used_parameters(body: Body) -> dict[str, tuple[Path, str]]:
    """Return the parameters that an operation uses, with the path and the words for the place."""
    used: dict[str, tuple[Path, str]] = dict.fromkeys(NAME.findall(body.get("path") or ""), (("path",), " in the path"))
    for name in NAME.findall(body.get("content") or ""):
        used.setdefault(name, (("content",), ""))
    return used


def check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    """Rules about the parameters, and those that need the datasource and its connector."""
    body, address = resource.body, resource.address
    yield from used_as_declared(address, body["parameters"], used_parameters(body))
    path, datasource, connector = connector_of(resource, lookup)
    if connector is None or datasource is None:
        return
    if connector.body["type"] != "file":
        yield mismatch(address, path, connector, "file")
        return
    if datasource.body["type"] not in TYPES:
        message = (
            f"a template of type file needs a datasource of type file or document, and {datasource.address} is of type "
        )
        yield Problem(
            "connector-mismatch", message + datasource.body["type"], str(address), path, expected="file or document"
        )
        return
    if not reads(body) and connector.body["read_only"]:
        message = f"this template may write, and {connector.address} is read-only"
        yield Problem("connector-read-only", message, str(address), ("operation",))
    folder, listed = extent(datasource.body)
    if folder is None:
        message = f"the prefix of {datasource.address} is no folder: its names are without `.`, `..` and \\"
        yield Problem("invalid-path", message, str(address), path)
    if body["operation"] != "list" and not NAME.search(body["path"]) and not covers(listed, filled(body["path"], {})):
        message = f"the path is none of those that {datasource.address} lists"
        yield Problem("path-not-in-datasource", message, str(address), ("path",), expected=", ".join(listed))
    yield from caps(resource, connector, _CAPS)
    yield from declared.problems(resource, connector, unfit)


def reads(body: Body) -> bool:
    """Whether the operation changes nothing."""
    return body.get("operation") in _ACTIONS


def action(body: Body) -> str:
    """Return what an operation that changes nothing does."""
    return _ACTIONS[body["operation"]]


def fits(body: Body, datasource: Body | None, connector: Body) -> bool:
    """Whether the connector has files, may write where the template does, and each parameter of the path is declared."""
    if datasource is None or datasource["type"] not in TYPES or connector["type"] != "file":
        return False
    if extent(datasource)[0] is None or not used_parameters(body).keys() <= body["parameters"].keys():
        return False
    return reads(body) or connector["read_only"] is not True


TYPE = TemplateType(File, check, fits, reads, action, unfit)
