"""A token for Vault, from what the environment gives: the token itself, an AppRole, or a JWT (of Kubernetes, or any)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hvac

from reconciler.secrets.fetch import Unreachable
from reconciler.secrets.secret import Secret

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"

Login = Callable[[hvac.Client], float]
"""Sets the client's token; returns how many seconds it lasts, 0 for no end that is known."""


def login_of(settings: Mapping[str, str], home: str | None) -> Login:
    """Return the login by ``settings``, those of ``vault_client.settings``. Raises Unreachable for a method that isn't known.

    Files are read at each login: somebody else renews what is in them.
    """
    given, role_id = settings.get("TOKEN"), settings.get("ROLE_ID")
    method = settings.get("AUTH_METHOD") or ("approle" if role_id and not given else "token")
    mount = settings.get("AUTH_MOUNT") or method
    role = settings.get("ROLE") or ""

    def token(client: hvac.Client) -> float:
        found = given or _file(str(Path(home) / ".vault-token") if home else None)
        client.token = _sendable(found, "token", "set VAULT_TOKEN, or VAULT_AUTH_METHOD")
        return 0.0

    def approle(client: hvac.Client) -> float:
        name = _sendable(role_id, "role id", "set VAULT_ROLE_ID")
        secret_id = settings.get("SECRET_ID") or _file(settings.get("SECRET_ID_FILE"))
        if secret_id:  # a role may do without
            secret_id = _sendable(secret_id, "secret id", "set VAULT_SECRET_ID or VAULT_SECRET_ID_FILE")
        return _lasting(client, client.auth.approle.login(name, secret_id, mount_point=mount))

    def kubernetes(client: hvac.Client) -> float:
        jwt = _file(settings.get("JWT_FILE") or SERVICE_ACCOUNT)
        return _lasting(client, client.auth.kubernetes.login(role, _jwt(jwt), mount_point=mount))

    def jwt(client: hvac.Client) -> float:
        found = settings.get("JWT") or _file(settings.get("JWT_FILE"))
        return _lasting(client, client.auth.jwt.jwt_login(role, _jwt(found), path=mount))

    methods: dict[str, Login] = {"token": token, "approle": approle, "kubernetes": kubernetes, "jwt": jwt}
    if method not in methods:
        raise Unreachable(f"VAULT_AUTH_METHOD is none of {', '.join(methods)}")
    return methods[method]


def _jwt(found: str | None) -> str:
    return _sendable(found, "JWT", "set VAULT_JWT_FILE")


def _sendable(found: str | None, what: str, hint: str) -> str:
    """Strip a value, and know it as secret from now on. Raises Unreachable."""
    found = (found or "").strip()
    if not found:
        raise Unreachable(f"there is no {what} to log in to Vault with", hint=hint)
    Secret(found)  # so that it is scrubbed from whatever is written
    if not (found.isascii() and found.isprintable()):
        raise Unreachable(f"the {what} to log in to Vault with has characters that can't be sent", hint=hint)
    return found


def _file(name: str | None) -> str | None:
    try:
        found = Path(name).read_text().strip() if name else ""
    except (OSError, UnicodeDecodeError, ValueError):
        return None
    return found or None


def _lasting(client: hvac.Client, answer: Any) -> float:
    """Return how long a login lasts. Raises KeyError, TypeError, ValueError for a response that breaks the API's promise."""
    lasts = float(answer["auth"]["lease_duration"])
    client.token = _sendable(answer["auth"]["client_token"], "token", "what answers the login?")
    return lasts if lasts > 0 else 0.0
