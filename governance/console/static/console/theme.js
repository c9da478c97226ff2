// Runs before the page is painted, so that a chosen theme never flashes. Without a choice the system decides.
(() => {
  "use strict";
  try {
    const theme = localStorage.getItem("bursar-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is blocked: the system's theme stands.
  }
})();
