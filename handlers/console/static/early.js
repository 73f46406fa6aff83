// Runs before the page is drawn, so that it does not flash in the wrong colours.
try {
  const theme = localStorage.getItem("backend-to-v1.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that stores nothing: as the system has it.
}
