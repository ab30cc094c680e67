"""A stand-in for providers of models: `/steady` answers in the formats of OpenAI and Anthropic, `/flaky` is always busy."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ("Configuration", " is", " code.")


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "small", "choices": [choice]}


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/flaky"):
            self.answer({"error": {"message": "too busy", "type": "server_error"}}, 503)
        elif self.path.endswith("/messages"):
            content = [{"type": "text", "text": "".join(WORDS)}]
            head = {"id": "m", "type": "message", "role": "assistant", "model": body["model"], "stop_sequence": None}
            usage = {"input_tokens": 12, "output_tokens": 3}
            self.answer({**head, "content": content, "stop_reason": "end_turn", "usage": usage})
        elif body.get("stream"):
            self.stream()
        else:
            message = {"role": "assistant", "content": "".join(WORDS)}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
            head = {"id": "c", "object": "chat.completion", "created": 0, "model": body["model"]}
            self.answer({**head, "choices": choices, "usage": usage})

    def answer(self, body: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
        events = [
            *(chunk({"content": word}) for word in WORDS),
            chunk({}, "stop"),
            {**chunk({}), "choices": [], "usage": usage},
        ]
        for event in (*map(json.dumps, events), "[DONE]"):
            self.wfile.write(f"data: {event}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Provider).serve_forever()
