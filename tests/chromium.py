"""A page in a real Chromium, driven through its DevTools: what its links save, beside what stands on the page."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

__all__ = ["Saved", "saved"]

_SECONDS = 300
_TABLES = """[...document.querySelectorAll("a[download]")].map(a => {
  const beside = a.closest("p").nextElementSibling;
  const rows = beside && beside.matches(".scroll") ? [...beside.querySelectorAll("tr")] : [];
  return rows.map(row => [...row.querySelectorAll("th:not(.bar),td:not(.bar)")].map(cell => cell.textContent));
})"""
_PLACE = """(() => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  const link = document.querySelectorAll("a[download]")[%d];
  link.scrollIntoView({block: "center", behavior: "instant"});
  const box = link.getBoundingClientRect();
  return JSON.stringify({x: box.x + box.width / 2, y: box.y + box.height / 2});
})()"""


@dataclass(frozen=True, slots=True)
class Saved:
    """What one link saved."""

    name: str
    text: str
    table: list[list[str]]
    """The cells of the table under the link, heads first; empty where there is none."""


def saved(page: Path, folder: Path) -> list[Saved]:
    """Click every link of the page that saves a file, and read the files back from ``folder``."""
    chromium = shutil.which("chromium")
    assert chromium, "make test installs Chromium"
    profile = folder / "profile"
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--disable-sync", "--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    with subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            return asyncio.run(asyncio.wait_for(_clicked(profile, page, folder), _SECONDS))
        finally:
            child.kill()


async def _clicked(profile: Path, page: Path, folder: Path) -> list[Saved]:
    port = profile / "DevToolsActivePort"
    while not (port.exists() and port.read_text().count("\n")):
        await asyncio.sleep(0.05)
    number, path = port.read_text().splitlines()
    socket = await websocket_connect(f"ws://127.0.0.1:{number}{path}")
    try:
        return await _read_back(_DevTools(socket), page, folder)
    finally:
        socket.close()


async def _read_back(browser: _DevTools, page: Path, folder: Path) -> list[Saved]:
    allow = {"behavior": "allow", "downloadPath": str(folder), "eventsEnabled": True}
    await browser.ask("Browser.setDownloadBehavior", allow)
    session = await _opened(browser, page)
    tables = json.loads(await browser.value(f"JSON.stringify({_TABLES})", session))
    found = []
    for link, table in enumerate(tables):
        # Each in a tab of its own, with a mouse: of one page Chromium saves no more than ten files in a while.
        session = await _opened(browser, page)
        place = json.loads(await browser.value(_PLACE % link, session))
        for kind in ("mousePressed", "mouseReleased"):
            mouse = {"type": kind, **place, "button": "left", "clickCount": 1}
            await browser.ask("Input.dispatchMouseEvent", mouse, session)
        name = (await browser.event("Browser.downloadWillBegin"))["suggestedFilename"]
        await browser.event("Browser.downloadProgress", state="completed")
        found.append(Saved(name, (folder / name).read_bytes().decode(), table))
    return found


async def _opened(browser: _DevTools, page: Path) -> str:
    """The session of a new tab that shows the page."""
    target = (await browser.ask("Target.createTarget", {"url": "about:blank"}))["targetId"]
    session: str = (await browser.ask("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
    await browser.ask("Page.enable", {}, session)
    await browser.ask("Page.navigate", {"url": page.as_uri()}, session)
    await browser.event("Page.loadEventFired")
    return session


class _DevTools:
    """Questions and their answers; events that come between wait to be asked for."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._events: list[dict[str, Any]] = []
        self._asked = 0

    async def ask(self, method: str, params: dict[str, Any], session: str = "") -> dict[str, Any]:
        self._asked += 1
        message: dict[str, Any] = {"id": self._asked, "method": method, "params": params}
        await self._socket.write_message(json.dumps(message | ({"sessionId": session} if session else {})))
        while (said := await self._read()).get("id") != self._asked:
            self._events.append(said)
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        return result

    async def value(self, script: str, session: str) -> Any:
        """What the script gives on the page."""
        answer = await self.ask("Runtime.evaluate", {"expression": script}, session)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def event(self, method: str, **wanted: str) -> dict[str, Any]:
        """The next event of that name with those parameters; all before it are forgotten."""
        while True:
            said = self._events.pop(0) if self._events else await self._read()
            params: dict[str, Any] = said.get("params", {})
            if said.get("method") == method and wanted.items() <= params.items():
                return params

    async def _read(self) -> dict[str, Any]:
        said = await self._socket.read_message()
        assert said is not None, "Chromium closed the connection"
        found: dict[str, Any] = json.loads(said)
        return found
