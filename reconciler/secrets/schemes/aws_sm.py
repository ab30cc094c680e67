"""``aws-sm://name[?version=V][#key]``: a secret of AWS Secrets Manager, or one key of it where it is JSON.

V is a version's id (32 characters and more) or a staging label such as AWSPREVIOUS. Region, credentials and endpoint
are what the AWS SDK finds in the environment.
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import Any

from reconciler.errors import CredentialUnresolved
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import TRIES, Fetch, Fetched, Outside, Unreachable
from reconciler.secrets.parsers import as_text, read_object
from reconciler.secrets.secret import Secret

LEAST_ID = 32
DENIED = frozenset({"AccessDeniedException", "AccessDenied"})
CREDENTIALS = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "ExpiredTokenException",
        "ExpiredToken",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationTokenException",
    }
)
BUSY = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
MISSING = frozenset({"ResourceNotFoundException", "InvalidRequestException"})


def connect(outside: Outside) -> Fetch:
    """Return the function that fetches from AWS Secrets Manager."""
    try:
        import boto3
        from botocore import exceptions
        from botocore.config import Config
    except ImportError:
        raise Unreachable(
            "aws-sm:// needs the AWS SDK, which is not installed", hint="pip install 'config-reconciler[aws]'"
        ) from None
    lock = threading.Lock()
    clients: list[Any] = []

    def client() -> Any:
        with lock:  # making one is not safe for threads; using it is
            if not clients:
                share = max(1.0, outside.timeout / TRIES)
                config = Config(
                    connect_timeout=share, read_timeout=share, retries={"total_max_attempts": TRIES, "mode": "standard"}
                )
                # the SDK itself reads AWS_DEFAULT_REGION alone, unlike the command line and other languages
                region = outside.environ.get("AWS_REGION") or None
                clients.append(boto3.session.Session(region_name=region).client("secretsmanager", config=config))
            return clients[0]

    def fetch(_tenant: str, reference: SecretRef) -> Fetched:
        name, _, key = reference.rest.partition("#")
        name, _, version = name.partition("?version=")
        chosen = {"VersionId" if len(version) >= LEAST_ID else "VersionStage": version} if version else {}
        try:
            answer = client().get_secret_value(SecretId=name, **chosen)
        except exceptions.ClientError as error:
            raise _told(reference, error.response) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            raise Unreachable("there are no AWS credentials", hint="set up AWS_PROFILE or AWS_ACCESS_KEY_ID") from None
        except exceptions.NoRegionError:
            raise Unreachable("no AWS region is configured", hint="set AWS_REGION or AWS_DEFAULT_REGION") from None
        except exceptions.HTTPClientError as error:
            raise Unreachable(
                f"{reference} does not resolve: Secrets Manager can't be reached ({type(error).__name__})"
            ) from None
        except (exceptions.BotoCoreError, ValueError) as error:  # a profile, a region, an endpoint: of this machine
            raise Unreachable(
                f"{reference} does not resolve: the AWS SDK gives up ({type(error).__name__})",
                hint="does `aws sts get-caller-identity` work here?",
            ) from None
        except (AttributeError, LookupError, TypeError, RecursionError):  # the SDK trusts whoever answers
            raise Unreachable(f"{reference} does not resolve: what answers is not Secrets Manager") from None
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise CredentialUnresolved(f"{reference} does not resolve: its value is binary")
        whole = Secret(text)  # also where only a part of it is used: none of it is to be written
        return Fetched(Secret(_part(text, key, reference)) if key else whole, answer.get("VersionId"))

    return fetch


def _part(text: str, key: str, reference: SecretRef) -> str:
    document = read_object(text)
    if document is None:
        raise CredentialUnresolved(f"{reference} does not resolve: the secret is no JSON object, so it has no keys")
    if key not in document:
        raise CredentialUnresolved(f"{reference} does not resolve: the secret has no key {key}")
    value = as_text(document[key])
    if value is None:
        raise CredentialUnresolved(f"{reference} does not resolve: the value of {key} is neither text nor a number")
    return value


def _told(reference: SecretRef, response: Any) -> CredentialUnresolved:
    """Of what AWS says only the code is repeated: its messages hold names of accounts and roles."""
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    shown = code if code.isalnum() and code.isascii() and len(code) <= 80 else "an error"
    trouble = f"{reference} does not resolve: Secrets Manager"
    if code in DENIED:
        return CredentialUnresolved(
            f"{trouble} does not permit it ({shown})",
            code="secret-store-denied",
            hint="it takes secretsmanager:GetSecretValue on the secret, and kms:Decrypt on its key",
        )
    if code in CREDENTIALS:
        return Unreachable(
            f"{trouble} refuses the AWS credentials ({shown})",
            code="secret-store-denied",
            hint="does `aws sts get-caller-identity` work here?",
        )
    if code in MISSING:
        return CredentialUnresolved(
            f"{reference} does not resolve: there is no such secret or version, or it is being deleted"
        )
    if code in BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unreachable(f"{trouble} answers with {shown}")
    return CredentialUnresolved(f"{trouble} answers with {shown}")
