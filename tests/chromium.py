"""Pages in a real Chromium, driven through its DevTools: with keys and mouse, and what their links save."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tornado.websocket import WebSocketClientConnection, websocket_connect

__all__ = ["Saved", "Tab", "driven", "saved"]

T = TypeVar("T")
_SECONDS = 300
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
"""By name, what Windows calls them by number: so DevTools asks for them."""
_WRITES = {"Enter": "\r", " ": " "}
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


def driven(work: Callable[[Tab], Awaitable[T]], folder: Path) -> T:
    """What the work comes to on a new tab; what the browser keeps goes to ``folder``."""

    async def alone(browser: _DevTools) -> T:
        return await work(await Tab.of(browser))

    return _with_browser(alone, folder)


def saved(page: Path, folder: Path) -> list[Saved]:
    """Click every link of the page that saves a file, and read the files back from ``folder``."""

    async def clicked(browser: _DevTools) -> list[Saved]:
        return await _read_back(browser, page, folder)

    return _with_browser(clicked, folder)


def _with_browser(work: Callable[[_DevTools], Awaitable[T]], folder: Path) -> T:
    chromium = shutil.which("chromium")
    assert chromium, "make test installs Chromium"
    profile = folder / "profile"
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--disable-sync", "--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    with subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            return asyncio.run(asyncio.wait_for(_connected(profile, work), _SECONDS))
        finally:
            child.kill()


async def _connected(profile: Path, work: Callable[[_DevTools], Awaitable[T]]) -> T:
    port = profile / "DevToolsActivePort"
    while not (port.exists() and port.read_text().count("\n")):
        await asyncio.sleep(0.05)
    number, path = port.read_text().splitlines()
    socket = await websocket_connect(f"ws://127.0.0.1:{number}{path}")
    try:
        return await work(_DevTools(socket))
    finally:
        socket.close()
        while await socket.read_message() is not None:  # until the other end has closed it too
            pass


async def _read_back(browser: _DevTools, page: Path, folder: Path) -> list[Saved]:
    allow = {"behavior": "allow", "downloadPath": str(folder), "eventsEnabled": True}
    await browser.ask("Browser.setDownloadBehavior", allow)
    tab = await Tab.of(browser, page.as_uri())
    tables = json.loads(await tab.value(f"JSON.stringify({_TABLES})"))
    found = []
    for link, table in enumerate(tables):
        # Each in a tab of its own, with a mouse: of one page Chromium saves no more than ten files in a while.
        tab = await Tab.of(browser, page.as_uri())
        place = json.loads(await tab.value(_PLACE % link))
        for kind in ("mousePressed", "mouseReleased"):
            await tab.ask("Input.dispatchMouseEvent", type=kind, **place, button="left", clickCount=1)
        name = (await browser.event("Browser.downloadWillBegin"))["suggestedFilename"]
        await browser.event("Browser.downloadProgress", state="completed")
        found.append(Saved(name, (folder / name).read_bytes().decode(), table))
    return found


class Tab:
    """A tab of the browser."""

    def __init__(self, browser: _DevTools, session: str) -> None:
        self._browser, self._session = browser, session

    @classmethod
    async def of(cls, browser: _DevTools, address: str = "") -> Tab:
        """A new one, which shows that page."""
        target = (await browser.ask("Target.createTarget", {"url": "about:blank"}))["targetId"]
        session = (await browser.ask("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
        tab = cls(browser, session)
        await tab.ask("Page.enable")
        if address:
            await tab.go(address)
        return tab

    async def go(self, address: str) -> None:
        await self.ask("Page.navigate", url=address)
        await self.loaded()

    async def loaded(self) -> None:
        """Wait for the page that comes next."""
        await self._browser.event("Page.loadEventFired")

    async def press(self, key: str, *, shift: bool = False) -> None:
        named = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": _KEYS[key]}
        held = {**named, "modifiers": 8 * shift}
        down = {"type": "keyDown", "text": _WRITES[key]} if key in _WRITES else {"type": "rawKeyDown"}
        await self.ask("Input.dispatchKeyEvent", **down, **held)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **held)

    async def write(self, text: str) -> None:
        await self.ask("Input.insertText", text=text)

    async def value(self, script: str) -> Any:
        """What the script gives on the page."""
        answer = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._browser.ask(method, params, self._session)


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
