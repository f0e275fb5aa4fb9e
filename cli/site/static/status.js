"use strict";
// Renews what the status page holds, in place: the page stays where it was scrolled to, and the focus where it is.
const main = document.querySelector("main");
const alike = (one) => [...main.querySelectorAll("a")].filter((a) => a.href === one.href);

function renew(page) {
  const focused = document.activeElement, place = alike(focused).indexOf(focused);
  main.replaceChildren(...page.childNodes);
  main.dataset.again = page.dataset.again;
  if (place >= 0) (alike(focused)[place] ?? main).focus({preventScroll: true});
}

async function look() {
  try {
    const answer = await fetch(location.pathname, {signal: AbortSignal.timeout(10000)});
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    // What somebody marks to copy it is not taken from under them.
    if (getSelection().isCollapsed || !main.contains(getSelection().anchorNode)) renew(page);
    document.getElementById("away").hidden = true;
  } catch {
    document.getElementById("away").hidden = false;
  }
  again();
}

const again = () => setTimeout(look, 1000 * main.dataset.again);
again();
