"""Connectors of the types vector, file, serverless, stream and custom."""

from __future__ import annotations

from typing import Any

import pytest

from .support import REF, found

URL = "https://store.example.com"


def _found(kind: str, **fields: Any) -> Any:
    return found("connector", {"type": kind, **fields})


def _missing(*names: str) -> Any:
    return {("missing-field", (name,)) for name in names}


def _conflicting(*names: str) -> Any:
    return {("conflicting-fields", (name,)) for name in names}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"engine": "pgvector", "dsn": REF}, set()),
        ({"engine": "pgvector"}, _missing("dsn")),
        ({"engine": "pgvector", "dsn": REF, "url": URL}, _conflicting("url")),
        ({"engine": "qdrant", "url": URL}, set()),
        ({"engine": "qdrant", "url": URL, "api_key": REF}, set()),
        ({"engine": "qdrant"}, _missing("url")),
        ({"engine": "weaviate", "url": URL, "dsn": REF}, _conflicting("dsn")),
        ({"engine": "weaviate", "url": URL, "index": "x"}, _conflicting("index")),
        ({"engine": "pinecone", "api_key": REF, "index": "x"}, set()),
        ({"engine": "pinecone"}, _missing("api_key", "index")),
        ({"engine": "pinecone", "api_key": "pc-1", "index": "x"}, {("plaintext-secret", ("api_key",))}),
        ({"engine": "milvus"}, {("invalid-choice", ("engine",))}),
        ({"engine": "qdrant", "url": URL, "dimensions": 0}, {("out-of-range", ("dimensions",))}),
        ({"engine": "qdrant", "url": URL, "metric": "l2"}, {("invalid-choice", ("metric",))}),
    ],
)
def test_vector(fields: dict[str, Any], expected: Any) -> None:
    assert _found("vector", **fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"provider": "s3", "bucket": "b"}, set()),
        ({"provider": "s3", "bucket": "b", "access_key_id": REF, "secret_access_key": REF, "endpoint_url": URL}, set()),
        ({"provider": "s3", "bucket": "b", "access_key_id": REF}, _missing("secret_access_key")),
        ({"provider": "s3"}, _missing("bucket")),
        ({"provider": "s3", "bucket": "b", "credential": REF}, _conflicting("credential")),
        ({"provider": "gcs", "bucket": "b", "project": "p", "credential": REF}, set()),
        ({"provider": "gcs", "bucket": "b", "root": "/x"}, _conflicting("root")),
        ({"provider": "azure", "account": "a", "container": "c", "credential": REF}, set()),
        ({"provider": "azure"}, _missing("account", "container")),
        ({"provider": "local", "root": "/srv/data"}, set()),
        ({"provider": "local"}, _missing("root")),
        ({"provider": "local", "root": "data"}, {("invalid-path", ("root",))}),
        ({"provider": "local", "root": "/srv/../etc"}, {("invalid-path", ("root",))}),
        ({"provider": "ftp"}, {("invalid-choice", ("provider",))}),
        ({"provider": "s3", "bucket": "b", "secret_access_key": "x"}, {("plaintext-secret", ("secret_access_key",))}),
    ],
)
def test_file(fields: dict[str, Any], expected: Any) -> None:
    assert _found("file", **fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"provider": "aws_lambda", "region": "eu-central-1", "functions": ["a"]}, set()),
        ({"provider": "aws_lambda"}, _missing("region")),
        ({"provider": "aws_lambda", "region": "r", "project": "p"}, _conflicting("project")),
        ({"provider": "aws_lambda", "region": "r", "secret_access_key": REF}, _missing("access_key_id")),
        ({"provider": "gcp_functions", "region": "r", "project": "p", "credential": REF}, set()),
        ({"provider": "gcp_functions", "region": "r"}, _missing("project")),
        ({"provider": "gcp_functions", "region": "r", "project": "p", "role_arn": "x"}, _conflicting("role_arn")),
        ({"provider": "aws_lambda", "region": "r", "retries": 11}, {("out-of-range", ("retries",))}),
    ],
)
def test_serverless(fields: dict[str, Any], expected: Any) -> None:
    assert _found("serverless", **fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"provider": "kafka", "brokers": ["k1:9092"]}, set()),
        ({"provider": "kafka", "brokers": ["k1:9092"], "username": "u", "password": REF, "security": "tls"}, set()),
        ({"provider": "kafka", "brokers": ["k1:9092"], "username": "u"}, _missing("password")),
        ({"provider": "kafka"}, _missing("brokers")),
        ({"provider": "kafka", "brokers": ["k1"]}, {("invalid-host", ("brokers", 0))}),
        ({"provider": "kafka", "brokers": ["u:p@k1:9092"]}, {("invalid-host", ("brokers", 0))}),
        ({"provider": "kafka", "brokers": ["k1:99999"]}, {("invalid-host", ("brokers", 0))}),
        ({"provider": "nats", "brokers": ["[::1]:4222"], "credential": REF}, set()),
        ({"provider": "kinesis", "region": "r"}, set()),
        ({"provider": "sqs"}, _missing("region")),
        ({"provider": "sqs", "region": "r", "group": "g"}, _conflicting("group")),
        ({"provider": "pubsub", "project": "p", "credential": REF, "group": "sub"}, set()),
        ({"provider": "pubsub"}, _missing("project")),
        ({"provider": "sqs", "region": "r", "max_messages": 0}, {("out-of-range", ("max_messages",))}),
    ],
)
def test_stream(fields: dict[str, Any], expected: Any) -> None:
    assert _found("stream", **fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, set()),
        ({"config": {"host": "x", "token": REF}, "credential": REF, "capabilities": ["write", "read"]}, set()),
        ({"credential": "x"}, {("plaintext-secret", ("credential",))}),
        ({"config": {"a": {"client_secret": "x"}}}, {("plaintext-secret", ("config", "a", "client_secret"))}),
        ({"config": []}, {("wrong-type", ("config",))}),
        ({"options": {}}, {("unknown-field", ("options",))}),
    ],
)
def test_custom(fields: dict[str, Any], expected: Any) -> None:
    assert _found("custom", **fields) == expected
