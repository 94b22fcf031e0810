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

  const key = (row, column) => { const cell = row.cells[column]; return cell.dataset.key !== undefined ? cell.dataset.key : cell.textContent; };
  const compare = (a, b) => {
    const x = parseFloat(a), y = parseFloat(b);
    return a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? x - y : a.localeCompare(b, "en", { numeric: true });
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
        rows.sort((a, b) => (up ? 1 : -1) * compare(key(a, column), key(b, column)));
        table.tBodies[0].append(...rows);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); } });
    });
  }
})();
