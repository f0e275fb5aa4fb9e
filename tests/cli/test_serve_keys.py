"""The site by keyboard alone, and on paper, in Chromium: real keys on real pages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.cli.site.app import make
from quartermaster.fleet.events import Noted, StepFailed, StepFinished, StepStarted
from tests.chromium import Tab, driven
from tests.keys import stops

pytestmark = pytest.mark.browser

FLEET = """\
fleet: shop
clusters: {web: {}}
databases: {orders: {engine: postgres}}
recovery: {drills: [{kind: restore, of: orders, every_days: 7}]}
"""


@dataclass
class Site:
    """The site on a port of this machine, over a journal of two drills and a patch cycle that stopped."""

    address: str
    ops: Session
    stopped: str
    """The id of the cycle."""
    close: Callable[[], None]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    ops = Session(Options(fleet=tmp_path / "fleet.yaml"))
    for kind, state in (("drill", "done"), ("drill", "failed"), ("patch", "stopped")):
        run = ops.journal.start(kind, stack="dev", subject="instance_loss web" if kind == "drill" else "web")
        steps = [StepStarted(step="lose"), Noted(step="lose", message="gone"), StepFinished(step="lose", seconds=1.0)]
        list(run.record(steps))
        list(run.record([StepFailed(step="look", error="nothing there")]))
        run.finish(state, {"kind": "instance_loss", "of": "web", "why": "x" * 400})
    server = make_server("127.0.0.1", 0, make(ops, names=["127.0.0.1"]), threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()

    def close() -> None:
        if serving.is_alive():
            server.shutdown()
            serving.join()
            server.server_close()

    yield Site(f"http://127.0.0.1:{server.port}", ops, run.id, close)
    close()
    ops.journal.engine.dispose()


async def at(tab: Tab, site: Site, path: str) -> None:
    """Go to the page, once what it shows was read."""
    while True:
        await tab.go(site.address + path)
        if "being read" not in await tab.value("document.body.textContent"):
            return


def test_every_control_is_reached_in_order_and_seen_both_ways(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        for path in ("/", "/report", "/cost", "/calendar", "/history", f"/history/{site.stopped}", "/none"):
            await at(tab, site, path)
            there = await stops(tab)
            assert [stop.place for stop in there] == list(range(there[0].count)), f"each of {path}, in its order"
            assert [stop.name for stop in there if stop.ring < 2 or not stop.seen] == [], path
            await tab.value("document.activeElement.blur()")
            assert len(await stops(tab, shift=True)) == len(there), f"nothing of {path} holds the focus"

    driven(work, tmp_path)


def test_the_first_key_offers_the_way_past_the_menu(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        for path in ("/", "/report", "/history"):
            await at(tab, site, path)
            await tab.press("Tab")
            assert await tab.value("document.activeElement.textContent") == "To the content"
            await tab.press("Enter")
            await tab.press("Tab")
            assert not await tab.value("document.activeElement.matches('nav *, header *')"), path

    driven(work, tmp_path)


def test_runs_of_a_kind_are_asked_for_by_typing(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> Any:
        await at(tab, site, "/history")
        while not await tab.value("document.activeElement.matches('input')"):
            await tab.press("Tab")
        await tab.write("drill")
        await tab.press("Enter")
        await tab.loaded()
        return await tab.value("[...document.querySelectorAll('td a')].map(a => a.textContent.split('-')[0])")

    assert driven(work, tmp_path) == ["drill", "drill"]


def test_what_is_folded_opens_and_closes_by_key(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        await at(tab, site, f"/history/{site.stopped}")
        while not await tab.value("document.activeElement.matches('summary')"):
            await tab.press("Tab")
        for key, opened in (("Enter", True), (" ", False), (" ", True), ("Enter", False)):
            await tab.press(key)
            assert await tab.value("document.activeElement.parentNode.open") is opened

    driven(work, tmp_path)


RENEW = "(async () => { await look(); })()"
"""What the page does by itself every 15 seconds."""


def test_the_status_is_renewed_and_neither_focus_nor_place_is_lost(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        await tab.ask("Emulation.setDeviceMetricsOverride", width=390, height=300, deviceScaleFactor=1, mobile=False)
        await at(tab, site, "/")
        while not await tab.value("document.activeElement.matches('td a')"):
            await tab.press("Tab")
        await tab.value("scrollTo(0, 200); document.querySelector('h1').textContent = 'of before'; window.kept = 1")
        await tab.value(RENEW)
        assert await tab.value("document.querySelector('h1').textContent") == "Status"
        assert await tab.value("[document.activeElement.textContent, scrollY, window.kept]") == [
            await tab.value("document.querySelector('td a').textContent"), 200, 1,
        ]  # fmt: skip
        await tab.value("document.activeElement.href = '/history/another'")
        await tab.value(RENEW)
        assert await tab.value("document.activeElement.tagName") == "MAIN", "what had the focus is gone"

    driven(work, tmp_path)


def test_a_page_that_came_too_early_fills_by_itself(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        await tab.go(f"{site.address}/")
        assert "being read" in await tab.value("window.kept = 1; document.body.textContent"), "the first look is begun"
        while "Clusters" not in await tab.value("document.body.textContent"):
            await asyncio.sleep(0.1)
        assert await tab.value("window.kept") == 1, "it was not loaded anew"

    driven(work, tmp_path)


def test_what_is_marked_to_be_copied_stays_marked(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        await at(tab, site, "/")
        await tab.value("getSelection().selectAllChildren(document.querySelector('code'))")
        marked = await tab.value("getSelection().toString()")
        await tab.value(RENEW)
        assert await tab.value("getSelection().toString()") == marked != ""

    driven(work, tmp_path)


def test_a_site_that_is_gone_is_told_on_the_page_that_shows_what_it_knew(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        await at(tab, site, "/")
        assert not await tab.value("document.getElementById('away').checkVisibility()")
        site.close()
        await tab.value(RENEW)
        assert await tab.value("document.getElementById('away').checkVisibility()")
        assert "Clusters" in await tab.value("document.body.textContent")

    driven(work, tmp_path)


def test_without_scripts_the_page_is_loaded_anew(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        await tab.ask("Emulation.setScriptExecutionDisabled", value=True)
        await tab.go(f"{site.address}/")
        await tab.loaded()

    driven(work, tmp_path)


def test_on_paper_tables_are_tables_and_what_is_folded_is_open(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> None:
        await tab.ask("Emulation.setEmulatedMedia", media="print")
        await tab.ask("Emulation.setDeviceMetricsOverride", width=690, height=980, deviceScaleFactor=1, mobile=False)
        for path, shown in (("/", "thead"), ("/calendar", "thead"), (f"/history/{site.stopped}", "pre")):
            await at(tab, site, path)
            assert await tab.value(f"document.querySelector('{shown}').checkVisibility()"), path
            assert not await tab.value("document.querySelector('nav').checkVisibility()"), path
            assert await tab.value("document.documentElement.scrollWidth <= innerWidth"), path

    driven(work, tmp_path)


def test_a_step_that_ends_with_its_run_is_to_be_seen(site: Site, tmp_path: Path) -> None:
    async def work(tab: Tab) -> Any:
        await at(tab, site, f"/history/{site.stopped}")
        return await tab.value("""[...document.querySelectorAll("rect")].map(one => {
            const bar = one.getBoundingClientRect(), place = one.parentNode.getBoundingClientRect();
            return [bar.width >= 1, bar.right <= place.right + 1];
        })""")

    assert driven(work, tmp_path) == [[True, True]] * 2
