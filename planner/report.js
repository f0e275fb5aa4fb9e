"use strict";
for (const plot of document.querySelectorAll(".plot")) {
  const points = JSON.parse(plot.dataset.readouts);
  const tip = plot.querySelector(".tip"), cursor = plot.querySelector(".cursor");
  let shown = -1;
  const show = (place) => {
    shown = Math.min(Math.max(place, 0), points.length - 1);
    const [at, text] = points[shown], box = plot.getBoundingClientRect();
    tip.textContent = text;
    cursor.style.display = "block";
    cursor.style.left = at + "%";
    const half = tip.offsetWidth / 2, middle = at / 100 * box.width;
    tip.style.left = Math.min(Math.max(middle, half - 40), box.width - half) + "px";
  };
  const hide = () => { shown = -1; tip.textContent = ""; cursor.style.display = "none"; };
  const point = (event) => {
    const box = plot.getBoundingClientRect(), at = 100 * (event.clientX - box.left) / box.width;
    const away = points.map((p) => Math.abs(p[0] - at));
    show(away.indexOf(Math.min(...away)));
  };
  if (!points.length) { plot.removeAttribute("tabindex"); continue; }
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: points.length - 1 }[event.key];
    if (event.key === "Escape") hide();
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    show(to);
  });
}
addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
