"""An agent as anybody would write it: the official SDKs of OpenAI and Anthropic, with another base URL and key."""

from __future__ import annotations

from pathlib import Path

import anthropic
import httpx
import openai

KEY = (Path(__file__).parent / "data" / "agent.key").read_text().strip()
URL = "http://127.0.0.1:8766"
ASK = [{"role": "user", "content": "What is configuration?"}]

one = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY)
other = anthropic.Anthropic(base_url=URL, api_key=KEY)

print("models:", [model.id for model in one.models.list()])
print("openai:", one.chat.completions.create(model="fast", messages=ASK).choices[0].message.content)
stream = one.chat.completions.create(model="fast", messages=ASK, stream=True)
print("stream:", "|".join(chunk.choices[0].delta.content or "" for chunk in stream).rstrip("|"))
print("anthropic:", other.messages.create(model="fast", max_tokens=50, messages=ASK).content[0].text)
for refused in ("pay with 4111 1111 1111 1111", "x" * 1000):
    try:
        one.chat.completions.create(model="fast", messages=[{"role": "user", "content": refused}])
    except openai.APIStatusError as error:
        print("refused:", error.status_code, error.code)
usage = httpx.get(f"{URL}/v1/usage", params={"by": "model"}, headers={"Authorization": f"Bearer {KEY}"})
for row in usage.json()["usage"]:
    print("usage:", {name: row[name] for name in ("calls", "tokens_in", "tokens_out")})
