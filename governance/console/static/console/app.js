// Small conveniences. Every page works without this file; only copying, live figures and shortcuts need it.
(() => {
  "use strict";

  const POLL_MILLISECONDS = 4000;

  function announce(text) {
    const status = document.getElementById("status");
    if (status) status.textContent = text;
  }

  function currentTheme() {
    const chosen = document.documentElement.dataset.theme;
    if (chosen) return chosen;
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  function toggleTheme() {
    const next = currentTheme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("bursar-theme", next);
    } catch {
      // Storage is blocked: the choice lasts for this page.
    }
    announce(next === "dark" ? "Dark theme." : "Light theme.");
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    const text = source.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const selection = getSelection();
      selection.selectAllChildren(source);
      announce("Copying is blocked here. The text is selected: press Control and C.");
      return;
    }
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    label.textContent = "Copied";
    announce("Copied.");
    setTimeout(() => { label.textContent = before; }, 2000);
  }

  function toggleMenu(button) {
    const side = button.closest(".side");
    const isOpen = side.toggleAttribute("data-open");
    button.setAttribute("aria-expanded", String(isOpen));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy) copy(button);
    else if (button.dataset.action === "theme") toggleTheme();
    else if (button.dataset.action === "menu") toggleMenu(button);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const search = document.querySelector("[data-search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
  });

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-submit-on-change]");
    if (form && event.target.matches("select")) form.requestSubmit();
  });

  // Live regions ask for news only while somebody can see them, and never under the reader's cursor.
  function refresh() {
    if (document.hidden || !window.htmx) return;
    for (const region of document.querySelectorAll("[data-live]")) {
      if (region.querySelector("details[open]") || region.contains(document.activeElement)) continue;
      window.htmx.trigger(region, "refresh");
    }
  }
  setInterval(refresh, POLL_MILLISECONDS);
  document.addEventListener("visibilitychange", refresh);
})();
