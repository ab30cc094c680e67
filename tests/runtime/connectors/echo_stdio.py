"""An MCP server on standard streams that answers with the bytes it was given: `python echo_stdio.py FILE`.

FILE holds, by the number that a call asks for, the JSON of each method's result.
"""

import json
import sys
from pathlib import Path

RESULTS = json.loads(Path(sys.argv[1]).read_text())

for line in sys.stdin:
    said = json.loads(line)
    if "id" in said:
        number = said.get("params", {}).get("arguments", {}).get("number", 0)
        result = RESULTS[number].get(said["method"], "{}")
        sys.stdout.write(f'{{"jsonrpc": "2.0", "id": {said["id"]}, "result": {result}}}\n')
        sys.stdout.flush()
