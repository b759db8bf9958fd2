"""A small OpenID Connect provider on loopback: it signs anybody in whom the visitor names on its page."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "dashboard", "a-secret-of-the-tests-only"


def provider(issuer: str, people: list[str]) -> FastAPI:
    """Authorisation code flow with signed id tokens, as Streamlit's client asks for it."""
    app, key, given = FastAPI(), RSAKey.generate_key(2048), {}

    @app.get("/.well-known/openid-configuration")
    def configuration() -> dict[str, object]:
        return {
            "issuer": issuer, "authorization_endpoint": f"{issuer}/authorize", "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks", "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }  # fmt: skip

    @app.get("/jwks")
    def jwks() -> dict[str, object]:
        return {"keys": [key.as_dict(private=False, kid="tests", use="sig", alg="RS256")]}

    @app.get("/authorize")
    def authorize(request: Request) -> HTMLResponse:
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT
        links = []
        for email in people:
            code = secrets.token_urlsafe(12)
            given[code] = (email, asked.get("nonce"))
            back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            links.append(f'<p><a href="{escape(back)}">{escape(email)}</a></p>')
        return HTMLResponse("".join(links))

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        form = await request.form()
        email, nonce = given.pop(str(form["code"]))
        now = int(time.time())
        claims = {"iss": issuer, "sub": email, "aud": CLIENT, "iat": now, "exp": now + 600, "email": email,
                  "email_verified": True, "nonce": nonce}  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": "tests"}, claims, key)
        return JSONResponse({"access_token": "unused", "token_type": "Bearer", "expires_in": 600, "id_token": signed})

    @app.get("/")
    def root() -> RedirectResponse:
        return RedirectResponse("/.well-known/openid-configuration")

    return app


@contextmanager
def providing(port: int, people: list[str]) -> Iterator[str]:
    """The provider as a server until the block ends; its address."""
    issuer = f"http://127.0.0.1:{port}"
    server = uvicorn.Server(uvicorn.Config(provider(issuer, people), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(200):
        if server.started:
            break
        time.sleep(0.05)
    try:
        yield issuer
    finally:
        server.should_exit = True
        thread.join(timeout=20)
