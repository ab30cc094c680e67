"""How a model of LiteLLM's authenticates, where that is no API key: such an integration is switched off."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.convert.ledger import Node

Param = Callable[[str], Node | None]
"""From the name of a parameter to its node."""
_ENTRA = (
    "tenant_id",
    "client_id",
    "client_secret",
    "azure_ad_token",
    "azure_username",
    "azure_password",
    "azure_scope",
)
_SIGNATURES = (
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_session_name", "aws_web_identity_token",
    "aws_sts_endpoint",
)  # fmt: skip
_ACCOUNTS = ("vertex_credentials", "vertex_ai_credentials")
IDENTITIES = (
    *_ENTRA,
    *_SIGNATURES,
    *_ACCOUNTS,
    "oci_key",
    "oci_key_file",
    "oci_user",
    "oci_fingerprint",
    "oci_tenancy",
)
_WAYS = {
    **dict.fromkeys(_ENTRA, "it authenticates by Entra ID"),
    **dict.fromkeys(_SIGNATURES, "its requests are signed (AWS SigV4)"),
    **dict.fromkeys(_ACCOUNTS, "it authenticates by a service account"),
}
_BY_PROVIDER = {
    "vertex-ai": "it authenticates by a service account",
    "sagemaker": "its requests are signed (AWS SigV4)",
    "sagemaker_chat": "its requests are signed (AWS SigV4)",
    "oci": "its requests are signed",
    "watsonx": "its key is exchanged for a token",
    "github_copilot": "a person logs in",
}


def judge_auth(entry: Node, prefix: str, name: str, param: Param) -> bool:
    """Whether an integration authenticates by an API key, or by none; what it needs instead is reported."""
    given = [node for key in IDENTITIES if (node := param(key)) is not None]
    if given and (param("api_key") is None or prefix == "vertex-ai"):
        for node in given:
            words = _WAYS.get(str(node.path[-1]), "its requests are signed")
            node.restricts(f"{words}, and a credential is an API key here: the integration is switched off")
        return False
    if prefix in _BY_PROVIDER:
        words = f"{_BY_PROVIDER[prefix]}, and a credential is an API key here: it is switched off"
        entry.note(words, f"integration/{name}")
        return False
    return True
