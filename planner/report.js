"use strict";
for (const plot of document.querySelectorAll(".plot")) {
  const points = JSON.parse(plot.dataset.readouts);
  if (!points.length) continue;
  const tip = plot.querySelector(".tip"), cursor = plot.querySelector(".cursor");
  const show = (event) => {
    const box = plot.getBoundingClientRect();
    const at = 100 * (event.clientX - box.left) / box.width;
    let best = points[0];
    for (const p of points) if (Math.abs(p[0] - at) < Math.abs(best[0] - at)) best = p;
    tip.textContent = best[1];
    tip.style.display = cursor.style.display = "block";
    cursor.style.left = best[0] + "%";
    const half = tip.offsetWidth / 2, middle = best[0] / 100 * box.width;
    tip.style.left = Math.min(Math.max(middle, half - 40), box.width - half) + "px";
  };
  plot.addEventListener("pointermove", show);
  plot.addEventListener("pointerdown", show);
  plot.addEventListener("pointerleave", () => { tip.style.display = cursor.style.display = "none"; });
}
addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
