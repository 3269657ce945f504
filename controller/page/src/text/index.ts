// The page's language, and its sentences in it.

import { effect, signal } from "@preact/signals";
import type { Names } from "../model";
import { en } from "./en";
import { type Key, zh } from "./zh";

export type { Key } from "./zh";
export type Language = "zh" | "en";

const STORED = "suanli-language";

function first(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem(STORED);
  if (asked === "zh" || asked === "en") return asked;
  return navigator.languages.some((name) => name.toLowerCase().startsWith("zh")) ? "zh" : "en";
}

export const language = signal<Language>(first());
effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
  localStorage.setItem(STORED, language.value);
});

/** The sentence of a key, with `{name}` filled in. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = (language.value === "zh" ? zh : en)[key];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A word that comes from a cluster: translated where it is one of ours, else as it is. */
export function word(text: string): string {
  if (!(text in zh)) return text;
  const known = t(text as Key);
  return known.includes("{") ? text : known; // a sentence of an alert that has the same name
}

/** A name in the page's language, else in the other, else the spare. */
export function named(names: Names | undefined, spare: string): string {
  if (!names) return spare;
  return (language.value === "zh" ? names.zh || names.en : names.en || names.zh) || spare;
}
