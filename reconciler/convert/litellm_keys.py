"""LiteLLM's virtual keys turned into callers, what each may use, and limits on it.

Source: objects of `GET /key/list?return_full_object=true`, put into the configuration as a list `keys`. LiteLLM keeps them in its
database: without that list there are no callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.convert import litellm_limits
from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.values import is_true

_ALL = frozenset({"all-proxy-models", "all-team-models"})
MAX_AGE_DAYS = 90


def convert(conversion: Conversion, root: Node, known: Mapping[str, str]) -> None:
    """Add a caller, a policy and limits for each key."""
    keys = root.get("keys")
    for key in keys.items() if keys is not None and isinstance(keys.value, list) else ():
        _key(conversion, key, known)


def _key(conversion: Conversion, key: Node, known: Mapping[str, str]) -> None:
    alias = key.get("key_alias") or key.get("key_name") or key.get("user_id")
    if alias is None or not isinstance(alias.value, str) or not alias.value:
        key.left("it has no `key_alias` by which its caller could be known")
        return
    caller = conversion.name("caller", alias.value, alias)
    alias.carry()
    token = key.get("token")
    if token is not None:
        token.left("keys are issued anew: `reconciler keys issue`")
    blocked = key.get("blocked")
    body: dict[str, Any] = {"auth": {"api_key": {"max_age_days": MAX_AGE_DAYS}}}
    if blocked is not None:
        blocked.carry()
        if is_true(blocked.value):
            body["enabled"] = False
    conversion.add("caller", caller, body, key)
    targets = _targets(key.get("models"), known)
    if targets:
        policy = {
            "effect": "allow",
            "subjects": {"callers": [caller]},
            "actions": ["invoke"],
            "targets": {"names": targets},
        }
        conversion.add("policy", conversion.name("policy", f"{caller}-models"), policy, key)
    litellm_limits.of_key(conversion, key, caller)


def _targets(models: Node | None, known: Mapping[str, str]) -> list[str]:
    """Return the targets that a key may use: those of all models where it names none."""
    names = [] if models is None else [*models.items()]
    if not names or any(one.value in _ALL for one in names):
        for one in names:
            one.carry()
        return sorted({*known.values()})
    found = set[str]()
    for one in names:
        target = known.get(one.value) if isinstance(one.value, str) else None
        if target is None:
            one.left("this name stands for no model of `model_list`")
        else:
            one.carry()
            found.add(target)
    return sorted(found)
