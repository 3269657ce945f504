// Light or dark: as the system says, unless the person has chosen.

import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const STORED = "suanli-theme";
const THEMES: Theme[] = ["system", "light", "dark"];

function first(): Theme {
  const asked = new URLSearchParams(location.search).get("theme") ?? localStorage.getItem(STORED);
  return THEMES.includes(asked as Theme) ? (asked as Theme) : "system";
}

const system = window.matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", (event) => (systemDark.value = event.matches));

export const theme = signal<Theme>(first());
/** A page that is dark whatever was chosen, as the wall screen is unless the address says otherwise. */
export const forced = signal<"" | "light" | "dark">("");
export const dark = signal(false);

effect(() => {
  const chosen = theme.value === "system" ? (systemDark.value ? "dark" : "light") : theme.value;
  const shown = forced.value || chosen;
  dark.value = shown === "dark";
  document.documentElement.dataset.theme = shown;
  localStorage.setItem(STORED, theme.value);
});

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
}
