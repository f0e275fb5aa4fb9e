"""The site's pages in Chromium: each fits a phone and a desk, and none has anything to complain about."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.cli.site.app import make
from quartermaster.fleet.events import Noted, StepFinished, StepStarted

WIDTHS = (360, 1280)
PAGES = ("/", "/cost", "/calendar", "/history", "/history/none")
FLEET = "fleet: shop\nclusters: {web: {}}\ndatabases: {orders: {engine: postgres}}\n"
LONG = "a-name-that-is-as-long-as-a-name-may-be-and-that-breaks-nowhere_".replace("-", "x")
PROBE = """
<script>
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const root = frame.contentDocument.documentElement;
    const over = [...root.querySelectorAll("body *")]
      .filter(e => !e.closest("pre, .read, .skip") && e.getBoundingClientRect().right > root.clientWidth + 1)
      .map(e => e.tagName + "." + e.className);
    return {page: frame.title, over, scroll: root.scrollWidth > root.clientWidth};
  });
  document.title = JSON.stringify(found);
});
</script>
"""


def pages(ops: Session) -> dict[str, str]:
    """Each page once what it shows was read, with its styles in it."""
    app = make(ops, names=["localhost"]).test_client()
    with app.get("/static/site.css") as styles:
        css = f"<style>{styles.text}</style>"
    found = {}
    for path in (*PAGES, *(f"/history/{row.id}" for row in ops.journal.runs(limit=2))):
        until = time.monotonic() + 120
        while "being read" in (page := app.get(path).text) and time.monotonic() < until:
            time.sleep(0.1)
        assert "being read" not in page
        found[path] = page.replace('<link rel="stylesheet" href="/static/site.css">', css).replace("http-equiv", "was")
        found[path] = found[path].replace('<script src="/static/status.js" defer></script>', "")
    return found


@pytest.fixture
def ops(tmp_path: Path) -> Session:
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    ops = Session(Options(fleet=tmp_path / "fleet.yaml"))
    web = {"name": LONG, "type": f"aws:x/{LONG}:{LONG}", "after": 123456.5, "why": f"3 hosts, {LONG}"}
    cost = {
        "before": 0.0,
        "after": 123456.5,
        "delta": 123456.5,
        "currency": "USD",
        "unknown": [LONG],
        "resources": [web],
    }
    cost |= {"not_included": [LONG], "dated": "2025-10-01", "source": "built in"}
    ops.journal.start("provision_up", stack="dev", subject=LONG).finish("done", {"cost_per_month": cost})
    for kind in ("drill", "patch"):
        run = ops.journal.start(kind, stack="dev", subject=f"zone_outage {LONG}")
        steps = [StepStarted(step=LONG, host="i-0123456789abcdef0"), Noted(step=LONG, message=LONG)]
        list(run.record([*steps, StepFinished(step=LONG, host="i-0123456789abcdef0", seconds=1e6)]))
        run.finish("failed", {"kind": "zone_outage", "of": LONG, "why": LONG})
    return ops


@pytest.mark.browser
def test_every_page_fits_every_screen(ops: Session, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "make test installs Chromium"
    frames = [
        f'<iframe title="{path} at {width}" style="width:{width}px;height:900px" srcdoc="{html.escape(page)}"></iframe>'
        for path, page in pages(ops).items()
        for width in WIDTHS
    ]
    outer = tmp_path / "outer.html"
    outer.write_text("<title>wait</title>" + "".join(frames) + PROBE, encoding="utf-8")
    run = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--no-first-run", "--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=3000", "--window-size=1400,1000", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    found = json.loads(html.unescape(run.stdout.split("<title>")[1].split("</title>")[0]))
    assert len(found) == len(frames)
    assert not (wide := [one for one in found if one["over"] or one["scroll"]]), wide
    assert "CONSOLE" not in run.stderr, run.stderr
