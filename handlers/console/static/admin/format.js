// Numbers, times and sizes as people of the page's language read them.

import { locale, t } from "../i18n.js";

const MINUTE = 60;

/** Return a whole number: 12,345. */
export function whole(value) {
  return value.toLocaleString(locale());
}

/** Return a number in few characters: 12.3K. */
export function short(value) {
  return Intl.NumberFormat(locale(), { notation: "compact", maximumFractionDigits: value < 1000 ? 0 : 1 }).format(value);
}

/** Return a time in milliseconds: 340 ms, 2.4 s. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return t("admin.ms", { value: Math.round(ms) });
  const digits = ms < 10_000 ? 1 : 0;
  const value = (ms / 1000).toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return t("admin.s", { value });
}

/** Return a size in bytes. */
export function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000;
  const digits = unit && value < 10 ? 1 : 0;
  return Intl.NumberFormat(locale(), { style: "unit", unit: units[unit], unitDisplay: unit ? "short" : "narrow", maximumFractionDigits: digits }).format(value);
}

function formatted(seconds, options) {
  return new Date(seconds * 1000).toLocaleString(locale(), options);
}

/** Return day and time with the seconds. */
export function exactly(seconds) {
  return formatted(seconds, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

/** Return the year, month and day. */
export function date(seconds) {
  return formatted(seconds, { year: "numeric", month: "short", day: "numeric" });
}

/** Return an hour of the day: 14:00. */
export function hour(seconds) {
  return formatted(seconds, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/** Return a day; days of totals are those of UTC. */
export function day(seconds) {
  return formatted(seconds, { month: "short", day: "numeric", timeZone: "UTC" });
}

/** Return minutes and seconds that are left: 14:32. */
export function clock(seconds, now = Date.now() / 1000) {
  const left = Math.max(0, Math.floor(seconds - now));
  return `${Math.floor(left / MINUTE)}:${String(left % MINUTE).padStart(2, "0")}`;
}
