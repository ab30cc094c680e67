"""Keys of an issuer that sends what nobody can read."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import reconciler.runtime.tokens as tokens_module
from reconciler.load.serve_file import Issuer
from reconciler.runtime.tokens import NoKeys, Tokens


@pytest.mark.parametrize("junk", [b"[" * 100_000, b"{}", b'{"keys":5}', b'{"keys":[5]}', b"\xff", b'{"keys":[]}'])
def test_an_issuer_that_sends_junk(monkeypatch: pytest.MonkeyPatch, junk: bytes) -> None:
    """It is asked no more often than one that is down, and the keys that are known stay."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public: dict[str, Any] = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": "k1"}
    sent = [json.dumps({"keys": [public]}).encode()]
    asked: list[str] = []

    class Issuing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(sent[0])

        def log_message(self, *_arguments: Any) -> None:
            return None

    def token(kid: str) -> str:
        claims = {"iss": "https://corp", "aud": "agents", "exp": int(time.time()) + 60}
        return jwt.encode(claims, key, "RS256", headers={"kid": kid})

    async def main(url: str) -> None:
        tokens = Tokens({"corp": Issuer(jwks_url=url, issuer="https://corp", audience="agents")})
        assert await tokens.claims(token("k1")) is not None
        sent[0] = junk
        monkeypatch.setattr(tokens_module, "LEAST_SECONDS", 0.0)
        with pytest.raises(NoKeys):
            await tokens.claims(token("new"))
        monkeypatch.setattr(tokens_module, "LEAST_SECONDS", 60.0)
        for _ in range(3):
            with pytest.raises(NoKeys):
                await tokens.claims(token("new"))
            assert await tokens.claims(token("k1")) is not None
        assert len(asked) == 2

    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        asyncio.run(main(f"http://127.0.0.1:{server.server_address[1]}/keys"))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
