"""An MCP server over pipes that has the fault of its first argument whenever a tool is called with `bad`."""

import json
import os
import subprocess
import sys
import time

FAULT = sys.argv[1]
OUT = sys.stdout.buffer


def send(data):
    OUT.write(data)
    OUT.flush()


def answer(id, result):
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": result}).encode() + b"\n"


def fault(id):
    text = {"content": [{"type": "text", "text": "?"}]}
    if FAULT == "huge":
        send(b'{"jsonrpc":"2.0","id":%d,"result":"' % id)
        for _ in range(30):
            send(b"x" * 2**20)
        send(b'"}\n')
    elif FAULT == "huge-id-last":
        send(b'{"result":"' + b"x" * (30 * 2**20) + b'","jsonrpc":"2.0","id":%d}\n' % id)
    elif FAULT == "endless-line":
        while True:
            send(b"x" * 2**20)
    elif FAULT == "small-pieces":
        os.set_blocking(1, True)
        for byte in answer(id, {"content": [{"type": "text", "text": "x" * 200_000}]}):
            os.write(1, bytes([byte]))
    elif FAULT == "invalid-bytes":
        send(answer(id, text).replace(b"?", b"\xff\xfe"))
    elif FAULT == "surrogate":
        send(answer(id, text).replace(b"?", b"\\ud800"))
    elif FAULT == "wrong-ids":
        for other in (id + 1000, 0, -1, str(id), None, True, [id]):
            send(answer(other, text))
    elif FAULT == "error":
        send(json.dumps({"jsonrpc": "2.0", "id": id, "error": {"code": -32603, "message": "no"}}).encode() + b"\n")
    elif FAULT == "no-result":
        send(json.dumps({"jsonrpc": "2.0", "id": id, "result": 7}).encode() + b"\n")
    elif FAULT == "flood":
        note = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n' * 1000
        ends = time.monotonic() + 3
        while time.monotonic() < ends:
            send(note)
    elif FAULT == "stderr":
        ends = time.monotonic() + 3
        while time.monotonic() < ends:
            sys.stderr.write("x" * 2**16)
    elif FAULT == "requests":
        for number in range(2000):
            send(b'{"jsonrpc":"2.0","id":%d,"method":"sampling/createMessage","params":{}}\n' % number)
    elif FAULT == "log":
        send(b"Server listening\n\xff\xfe\n{}\n[]\n7\n" + answer(id, text))
    elif FAULT == "exit":
        os._exit(3)
    elif FAULT == "deaf":
        time.sleep(3600)


def main():
    if FAULT == "bomb":
        for _ in range(7):
            os.fork()
        if os.getpid() != MAIN:
            time.sleep(60)
    if FAULT == "children":
        subprocess.Popen(["sleep", "3600"], start_new_session=True)
        subprocess.Popen(["sh", "-c", "trap '' TERM HUP; sleep 3600 & sleep 3600"])
    for line in sys.stdin:
        message = json.loads(line)
        method, id = message.get("method"), message.get("id")
        if method == "server/discover":
            send(answer(id, {"supportedVersions": ["2026-07-28"], "capabilities": {}}))
        elif method == "tools/list":
            send(answer(id, {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]}))
        elif method == "tools/call" and message["params"]["arguments"]:
            fault(id)
        elif method == "tools/call":
            send(answer(id, {"content": [{"type": "text", "text": "fine"}]}))
    if FAULT in ("stays", "children"):
        time.sleep(3600)


MAIN = os.getpid()
main()
