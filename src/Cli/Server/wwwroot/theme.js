// Loaded before the page is drawn, so that a chosen theme never flashes. Without a choice the system's scheme holds.
"use strict";
(() => {
    const key = "ollm-theme";
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const stored = () => { try { return localStorage.getItem(key); } catch { return null; } };
    const chosen = stored();
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

    const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

    document.addEventListener("DOMContentLoaded", () => {
        const button = document.getElementById("theme");
        const label = () => {
            button.setAttribute("aria-pressed", String(isDark()));
            document.getElementById("theme-name").textContent = isDark() ? "Dark" : "Light";
        };
        button.addEventListener("click", () => {
            root.dataset.theme = isDark() ? "light" : "dark";
            try { localStorage.setItem(key, root.dataset.theme); } catch { /* private windows may refuse: the choice lasts until reload */ }
            label();
        });
        system.addEventListener("change", label);
        label();
    });
})();
