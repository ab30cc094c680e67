"""What a server has to say, as one JSON object a line."""

from __future__ import annotations

import logging
import sys

import orjson


class JsonLog(logging.Formatter):
    """One object a line; nothing of arguments or tracebacks, which may hold what agents said."""

    def format(self, record: logging.LogRecord) -> str:
        told = {"at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"), "level": record.levelname.lower()}
        return orjson.dumps({**told, "logger": record.name, "message": record.getMessage()}).decode()


def log_as_json() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLog())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("reconciler").setLevel(logging.INFO)
