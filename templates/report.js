"use strict";
(function () {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  // Reading and writing may be refused for a page opened from disk; the page then forgets.
  const store = (value) => { try { localStorage.setItem("seqduel-theme", value); } catch (e) { /* forgets */ } };
  const stored = () => { try { return localStorage.getItem("seqduel-theme"); } catch (e) { return null; } };
  const dark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours"); };
  if (stored() === "dark" || stored() === "light") { root.dataset.theme = stored(); }
  button.hidden = false;
  label();
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; store(root.dataset.theme); label(); });
  system.addEventListener("change", label);

  // The contents stand open beside a wide page; on a narrow one a choice closes them.
  const contents = document.querySelector(".contents details");
  const wide = window.matchMedia("(min-width: 1200px)");
  const unfold = () => { contents.open = wide.matches; };
  unfold();
  wide.addEventListener("change", unfold);
  contents.addEventListener("click", (event) => { if (event.target.closest("a")) { unfold(); } });

  // The point of a plot that is nearest to the pointer, within this many pixels, says its numbers.
  const REACH = 30;
  const tip = document.getElementById("tip"), ring = document.getElementById("ring");
  const known = new WeakMap();
  const points = (svg) => {
    if (!known.has(svg)) {
      const plot = JSON.parse(svg.closest("figure").querySelector("script").textContent);
      const at = svg.dataset.at.split(" ").map(Number);
      const all = plot.series.flatMap(([name, list]) => list.map(([x, value, n]) => ({ name, x, value, n })));
      known.set(svg, { plot, all: all.map((point, i) => ({ ...point, at: [at[2 * i], at[2 * i + 1]] })) });
    }
    return known.get(svg);
  };
  const hide = () => { tip.hidden = ring.hidden = true; };
  const line = (label, text) => { const p = document.createElement("div"); p.textContent = label ? label + ": " + text : text; return p; };
  const show = (event) => {
    const svg = event.target.closest ? event.target.closest("svg[data-at]") : null;
    if (!svg || !svg.dataset.at) { hide(); return; }
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    const { plot, all } = points(svg);
    let best = null, least = REACH;
    for (const point of all) {
      const x = box.left + scale * point.at[0], y = box.top + scale * point.at[1];
      const far = Math.hypot(x - event.clientX, y - event.clientY);
      if (far < least) { least = far; best = { point, x, y }; }
    }
    if (!best) { hide(); return; }
    const { point, x, y } = best, name = document.createElement("b");
    name.textContent = point.name;
    tip.replaceChildren(name);
    if (point.x) { tip.append(line(plot.x, point.x)); }
    tip.append(line(plot.y, point.value));
    if (point.n > 1) { tip.append(line("", "n = " + point.n)); }
    tip.hidden = ring.hidden = false;
    ring.style.left = x + "px";
    ring.style.top = y + "px";
    const size = tip.getBoundingClientRect(), right = root.clientWidth - size.width - 8;
    tip.style.left = Math.max(8, Math.min(x + 14, right)) + "px";
    tip.style.top = (y > size.height + 22 ? y - size.height - 14 : y + 16) + "px";
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { hide(); } });

  // A cell of numbers is sorted by the first of them, any other by its text.
  const number = (cell) => {
    const found = cell.className ? cell.textContent.replaceAll(",", "").match(/-?\d[\d.]*(e-?\d+)?/) : null;
    return found ? parseFloat(found[0]) : NaN;
  };
  const compare = (a, b) => {
    const x = number(a), y = number(b);
    return isNaN(x) || isNaN(y) ? a.textContent.localeCompare(b.textContent, "en", { numeric: true }) : x - y;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.tabIndex = 0;
      const sort = () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => (up ? 1 : -1) * compare(a.cells[column], b.cells[column]));
        table.tBodies[0].append(...rows);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); } });
    });
  }
})();
