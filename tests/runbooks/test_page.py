"""The page of a runbook in a browser: it fits a phone and a screen, its text can be read by day and by night."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from quartermaster.runbooks.document import parse
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.page import render_html
from quartermaster.runbooks.prose import slug
from quartermaster.runbooks.render import render

KIND = KINDS["instance_loss"]
WIDE = render(KIND, {"why": "no zone has more serving hosts; " * 6, "group": "g" * 90})
PAGE = render_html(WIDE)
WIDTHS = (400, 1280)

PROBE = """
<script>
const light = c => c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
  .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05) };
const seen = frame => {
  const view = frame.contentWindow, page = view.document, root = page.documentElement;
  const style = e => view.getComputedStyle(e);
  const behind = e => { while (e && style(e).backgroundColor.endsWith(", 0)")) e = e.parentElement; return style(e).backgroundColor };
  const texts = [...page.querySelectorAll("body *")].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return {
    scroll: root.scrollWidth, width: root.clientWidth,
    over: texts.filter(e => e.getBoundingClientRect().right > root.clientWidth + 1).map(e => e.outerHTML),
    faint: texts.filter(e => ratio(style(e).color, behind(e)) < 4.5).map(e => e.outerHTML),
    dark: light(style(page.body).backgroundColor) < .1,
    broken: [...page.querySelectorAll("td:first-child")].filter(e => {
      const range = page.createRange(); range.selectNodeContents(e);
      return range.getClientRects().length > e.textContent.split(" ").length;
    }).map(e => e.textContent),
    steps: [...page.querySelectorAll(".step")].map(e => [...e.querySelectorAll("dt")].map(t => t.textContent)),
    selected: [...page.querySelectorAll("code.run")].map(e => style(e).userSelect),
    dead: [...page.querySelectorAll("nav a")].filter(e => !page.getElementById(e.hash.slice(1))).length,
  };
};
addEventListener("load", () => { document.title = JSON.stringify([...document.querySelectorAll("iframe")].map(seen)) });
</script>
"""  # noqa: E501


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read_on_a_phone_and_a_screen(scheme: str, tmp_path: Path) -> None:
    documents = {kind: render(known, {}) for kind, known in KINDS.items()} | {"wide": WIDE}
    seen = look([render_html(document) for document in documents.values()], scheme, tmp_path)
    for (kind, document), (phone, screen) in zip(
        documents.items(), zip(seen[::2], seen[1::2], strict=True), strict=True
    ):
        for found in (phone, screen):
            assert found["scroll"] <= found["width"], kind
            assert (kind, found["over"], found["faint"], found["broken"], found["dead"]) == (kind, [], [], [], 0)
            assert found["dark"] == (scheme == "dark")
            by_hand = [["By hand"] * bool(step.by_hand) for step in parse(document).steps]
            rows = ["Expected", "Time limit", "Rollback", "Owner", "The drill does"]
            assert found["steps"] == [first + rows for first in by_hand]
            assert set(found["selected"]) <= {"all"}
    assert seen[-1]["selected"]


def look(pages: list[str], scheme: str, folder: Path) -> list[dict[str, Any]]:
    """What a browser makes of each page at each width."""
    chromium = shutil.which("chromium")
    assert chromium, "make test installs Chromium"
    frames = "".join(
        f'<iframe style="width:{width}px;height:900px" srcdoc="{html.escape(page, quote=True)}"></iframe>'
        for page in pages
        for width in WIDTHS
    )
    outer = folder / "outer.html"
    outer.write_text(f"<title>wait</title>{frames}{PROBE}", encoding="utf-8")
    run = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--no-first-run", "--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}",
         f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
         "--virtual-time-budget=3000", "--window-size=1400,1000", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in run.stderr, run.stderr
    found: list[dict[str, Any]] = json.loads(html.unescape(run.stdout.split("<title>")[1].split("</title>")[0]))
    return found


def test_links_lead_to_the_pages_of_the_other_runbooks() -> None:
    text = render(KIND, {}).replace("Nobody acts", "[See](restore.md#when). Nobody acts", 1)
    assert 'href="restore.html#when"' in render_html(text)


def test_every_anchor_that_a_link_may_name_is_there() -> None:
    text = WIDE.replace("Nobody acts", "### Who acts\n\nNobody acts", 1)
    page = render_html(text)
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        assert page.count(f'id="{slug(heading)}"') == 1, heading


def test_what_stands_in_a_step_besides_its_labels_stands_in_that_step() -> None:
    section = PAGE.partition('<section class="step" id="2-the-host-loses-its-power">')[2].partition("</section>")[0]
    assert "Its processes end at once" in section
    assert "steady state" not in section
