"""Calls for a connector alone: bodies as they are kept, values, a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from reconciler.access.resource import Resource
from reconciler.access.target import Target
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.kinds.template.action import action_of, reads_only
from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.model.address import Address
from reconciler.model.known import Known, Text
from reconciler.model.spec import Spec
from reconciler.runtime.call import Call, Failed, Permits, Surroundings

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
SECRETS = {"env://TOKEN": "s3cret-token-value", "env://PASSWORD": "pa/ss wörd+1"}


def resource(kind: str, raw: Mapping[str, Any], name: str = "it") -> Resource:
    address = Address("acme", kind, name)
    spec = parse(KINDS[kind], dict(raw), address)
    assert isinstance(spec, Spec), spec
    return Resource(Known(address, "uid", Text("{}", 1), "shop", True), spec.normalised())


async def resolve(_tenant: str, reference: str) -> str:
    try:
        return SECRETS[reference]
    except KeyError:
        raise Failed("credential-unresolved", "x") from None


def around(*roots: Path, control: frozenset[tuple[Any, Any]] = frozenset()) -> Surroundings:
    return Surroundings(resolve, resolve, Permits(LOOPBACK, roots, file_roots=roots), control)


def call(
    connector: Resource, template: Resource, values: Mapping[str, Any], seconds: float = 10.0, body: Any = None
) -> Call:
    """Inside of a running loop."""
    return call_of((template, connector), values, seconds, body)


def call_of(chain: tuple[Resource, ...], values: Mapping[str, Any], seconds: float = 10.0, body: Any = None) -> Call:
    """The template first, its connector last."""
    does, inputs = chain[0].body, ParameterInputs(chain[0].body)
    target = Target("acme", chain[0].name, action_of(does), not reads_only(does), chain, chain[0], inputs)
    return Call(target, values, asyncio.get_running_loop().time() + seconds, body)
