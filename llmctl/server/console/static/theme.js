// Runs before the page is drawn, so that a chosen theme does not flash. Without a choice the system's counts.
(() => {
  const themes = ["auto", "light", "dark"];
  const stored = () => {
    try {
      return localStorage.getItem("llmctl.theme");
    } catch {
      return null; // storage is off: the choice lasts as long as the page
    }
  };
  let theme = themes.includes(stored()) ? stored() : "auto";
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[theme];
      button.setAttribute("aria-label", `Colours: ${theme}`);
    }
  };
  apply();
  addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      try {
        localStorage.setItem("llmctl.theme", theme);
      } catch {
        // as above
      }
      apply();
    });
  });
})();
