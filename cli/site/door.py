"""Who may read the site, and what every answer carries.

On loopback whoever can reach it on this machine may read, but no page of another site through that person's browser:
the Host header must be ours (DNS rebinding), and what a browser says it asks for another origin is refused. Beyond
loopback a token is asked for, as a bearer token or, once said in the address, as a cookie.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from flask import Flask, Response, abort, redirect, request
from werkzeug.wrappers import Response as BaseResponse

__all__ = ["POLICY", "guard"]

_COOKIE = "ops"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What a page may load: its styles. No script."""
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_READS = ("GET", "HEAD")


def guard(app: Flask, names: Iterable[str], token: str) -> None:
    """Refuse whoever may not read, before any page. ``names``: what the site may be called; ``token``: "" for none."""
    known = {name.lower() for name in names}

    @app.before_request
    def _refuse() -> BaseResponse | None:
        if request.method not in _READS:
            abort(405)
        if _name(request.host) not in known:
            abort(421)
        if not _from_here():
            abort(403)
        if any("\0" in text for text in (request.path, *request.args.values())):
            abort(400)  # nothing is called so, and PostgreSQL takes no such text
        if token and not _same(_given(), token):
            if not _same(request.args.get("token", ""), token):
                abort(401)
            answer = redirect(request.path, 303)
            answer.set_cookie(_COOKIE, token, httponly=True, samesite="Strict", secure=request.is_secure)
            return answer
        return None

    @app.after_request
    def _carry(answer: Response) -> Response:
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer


def _from_here() -> bool:
    """Whether no other site asks, as far as the browser says. A link that someone followed is its reader's request."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.rpartition("//")[2].lower() != request.host.lower():
        return False
    followed = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest")) == (
        "navigate",
        "document",
    )
    return request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin") or followed


def _given() -> str:
    said = request.headers.get("Authorization", "")
    return said.removeprefix("Bearer ") if said.startswith("Bearer ") else request.cookies.get(_COOKIE, "")


def _same(one: str, other: str) -> bool:
    """Whether they are equal, in a time that tells nothing of how far."""
    return hmac.compare_digest(one.encode(), other.encode())


def _name(host: str) -> str:
    """A Host header without its port, an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
