"""Requests to the site as nobody would send them: any method, path, query, header and bytes, near what it answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

if TYPE_CHECKING:
    from flask import Flask

    from quartermaster.cli.session import Session

__all__ = ["ARGUMENTS", "ODD", "TOKEN", "Request", "requests", "routes"]

TOKEN = "a-token-that-is-long-enough"
# What parsers, databases and calendars stumble over, beside text at random.
ODD = ["", "\0", "%00", "..", "../../etc/passwd", "/", "\\", "'", "; drop table runs", "{{7*7}}", "%s%n", "-1", "1e309"]
ODD += ["nan", "\ud800", "\udcff", "\ufeff", "ﷺ" * 9, "a" * 300, "drill", "patch", "2026-01", "2026-11\n", "2000-00"]
ODD += ["\u0662\u0660\u0662\u0666-\u0660\u0661", "20\u0662\u0666-01", "2026-1\uff11", "2099-12", "2026-W01-1"]
ODD += ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "2026-02-30", "20260101T000000Z"]
TEXT = st.one_of(
    st.sampled_from(ODD),
    st.text(max_size=40),
    st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    st.dates().map(lambda day: f"{day:%Y-%m}"),
)
BYTES = st.one_of(TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=30))
METHODS = [*["GET"] * 60, *["HEAD"] * 3, "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"]
HOSTS = ["localhost", "127.0.0.1:8420", "[::1]", "[::1]:8420", "LOCALHOST", "[", "]", ":", "localhost:", "localhost:x"]
HOSTS += ["", "evil.example", "localhost.", "localhost@evil.example", "[::1", "localhost:99999999", "xn--", ".", "a..b"]
HEADERS: dict[str, list[str]] = {
    "Origin": ["null", "http://localhost", "http://", "//", "http://[", "file://", "http://localhost:8420"],
    "Range": [
        "bytes=0-0",
        "bytes=-1",
        "bytes=99999999999999999999-",
        "bytes=5-1",
        "bytes=0-1,3-4",
        "lines=1",
        "bytes=",
    ],
    "If-Range": ['"x"', "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Jan 99999 00:00:00 GMT"],
    "If-None-Match": ["*", '"', 'W/"x"', '"x", "'],
    "If-Match": ["*", '"x"'],
    "If-Modified-Since": ["Thu, 01 Jan 99999 00:00:00 GMT", "0", "Mon, 1 Jan 0001 00:00:00 +9999"],
    "If-Unmodified-Since": ["Thu, 01 Jan 1970 00:00:00 GMT"],
    "Cookie": ["ops=", f"ops={TOKEN}", "ops=é", "ops", "=", ";;;", 'ops="\\377"', "ops=" + "x" * 300, 'ops="'],
    "Authorization": ["Bearer ", f"Bearer {TOKEN}", "Basic =", "Basic Og==", "Bearer é", "Digest", "Basic /w=="],
    "Sec-Fetch-Site": ["none", "same-origin", "cross-site", "?"],
    "Sec-Fetch-Mode": ["navigate", "no-cors"],
    "Sec-Fetch-Dest": ["document", "image"],
    "Accept": ["*/*", "text/html;q=x", ";"],
    "Accept-Encoding": ["gzip;q=0", "identity;q=nan"],
    "Content-Type": ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "a; charset=no"],
    "Content-Length": ["0", "5", "-1", "x", "99999999999999999999"],
    "Transfer-Encoding": ["chunked", "x"],
    "X-Forwarded-Host": ["evil.example"],
    "X-Forwarded-Proto": ["https,http"],
    "X-HTTP-Method-Override": ["POST"],
    "Upgrade": ["h2c"],
    "Expect": ["100-continue", "x"],
}
ARGUMENTS = ["kind", "before", "month", "token", "x"]
HOST = st.sampled_from(["localhost"] * 100 + HOSTS)
LATIN = st.binary(max_size=30).map(lambda value: value.decode("latin-1"))
HEADER = st.one_of(*(st.tuples(st.just(name), st.sampled_from(odd) | LATIN) for name, odd in HEADERS.items()))


def routes(app: Flask, ops: Session) -> list[list[bytes | None]]:
    """Each rule of the site as the parts of its path, None where an argument stands; and the path of each run."""
    rules = [re.split(r"<[^>]+>", rule.rule) for rule in app.url_map.iter_rules()]
    parts = [[part for text in texts for part in (text.encode(), None)][:-1] for texts in rules]
    return [*parts, *([f"/history/{row.id}".encode()] for row in ops.journal.runs(limit=3)), [b"/static/site.css"]]


@dataclass(frozen=True)
class Request:
    """What goes over the wire, each byte of a header a character of latin-1."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    def __bytes__(self) -> bytes:
        lines = [f"{self.method} {self.path}?{self.query} HTTP/1.1", *(f"{n}: {v}" for n, v in self.headers.items())]
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace")


def requests(known: list[list[bytes | None]]) -> st.SearchStrategy[Request]:
    """Most of them near what the site answers."""
    filled = [st.tuples(*(BYTES if part is None else st.just(part) for part in parts)) for parts in known]
    raw = st.one_of(*filled, st.binary(max_size=30).map(lambda rest: (b"/", rest)), st.tuples(BYTES)).map(b"".join)
    argument = st.builds("{}={}".format, st.sampled_from(ARGUMENTS), BYTES.map(quote_from_bytes))
    return st.builds(
        Request,
        st.sampled_from(METHODS),
        st.builds(quote_from_bytes, raw, st.sampled_from(["/", "/%"])),
        st.lists(argument, max_size=3).map("&".join),
        st.builds(lambda host, more: {"Host": host, **dict(more)}, HOST, st.lists(HEADER, max_size=3)),
    )
