// Numbers with units, in the page's language; times in the reader's own time zone.

import { language, t } from "./text";

function locale(): string {
  return language.value === "zh" ? "zh-CN" : "en-GB";
}

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits, minimumFractionDigits: 0 }).format(value);
}

/** Milli-units as units: 12,345 */
export function units(milli: number): string {
  const value = milli / 1000;
  return number(value, value < 10 ? 1 : 0);
}

export function percent(part: number, whole: number): string {
  if (!whole) return "—";
  const share = (100 * part) / whole;
  return number(share, share < 10 && share > 0 ? 1 : 0) + "%";
}

export function permille(value: number): string {
  return number(value / 10, 1) + "%";
}

export function cores(millicores: number): string {
  const value = millicores / 1000;
  return number(value, value < 100 ? 1 : 0);
}

export function bytes(value: number): string {
  const scale: [number, string][] = [[1024 ** 5, "PiB"], [1024 ** 4, "TiB"], [1024 ** 3, "GiB"], [1024 ** 2, "MiB"]];
  for (const [size, unit] of scale) if (value >= size) return number(value / size, value / size < 100 ? 1 : 0) + " " + unit;
  return number(value) + " B";
}

/** Gigaflops as PFLOPS. */
export function pflops(gigaflops: number): string {
  const value = gigaflops / 1e6;
  return number(value, value < 10 ? 2 : 1);
}

export function duration(seconds: number): string {
  if (seconds < 90) return t("secondsUnit", { n: number(Math.max(0, Math.round(seconds))) });
  if (seconds < 5400) return t("minutesUnit", { n: number(Math.round(seconds / 60)) });
  if (seconds < 129_600) return t("hoursUnit", { n: number(Math.round(seconds / 3600)) });
  return t("daysUnit", { n: number(Math.round(seconds / 86_400)) });
}

export function date(seconds: number | null): string {
  if (!seconds) return t("never");
  return new Intl.DateTimeFormat(locale(), { year: "numeric", month: "2-digit", day: "2-digit" }).format(seconds * 1000);
}

export function time(seconds: number): string {
  const style = { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false } as const;
  return new Intl.DateTimeFormat(locale(), style).format(seconds * 1000);
}

export function clockTime(seconds: number): string {
  const style = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false } as const;
  return new Intl.DateTimeFormat(locale(), style).format(seconds * 1000);
}

export function longDate(seconds: number): string {
  const style = { year: "numeric", month: "long", day: "numeric", weekday: "long" } as const;
  return new Intl.DateTimeFormat(locale(), style).format(seconds * 1000);
}

export function milliseconds(microseconds: number | null): string {
  return microseconds === null ? t("never") : number(microseconds / 1000, 1) + " ms";
}
