// What is used of an account's allowance: its windows as bars, when they begin anew, and its rests.

import { make } from "./elements.js";
import { locale, setText, t } from "./i18n.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const DAY_MINUTES = 1440;

/** Return an answer of `/v1/usage` as elements; none if nothing is known of an account. */
export function shownAllowance({ resting = {}, windows = [], credits }) {
  const rests = Object.entries(resting).filter(([, at]) => at);
  return [
    ...rests.map(([scope, at]) =>
      setText(make("p", { className: "problem" }), `usage.resting.${scope}`, { left: until(at), time: moment(at) }),
    ),
    ...windows.map(shownWindow),
    ...(credits?.has_credits ? [shownCredits(credits)] : []),
  ];
}

function shownWindow({ name, used_percent: used, window_minutes: minutes, resets_at: resets }) {
  const label = windowName(name, minutes);
  const share = used / 100;
  const told = t("usage.used", { name: label, percent: percent(share) });
  const renewal = resets ? t("usage.renews", { left: until(resets), time: moment(resets) }) : t("usage.renews.unknown");
  return measured({ label, figures: percent(share), share, told, renewal });
}

function shownCredits({ unlimited, balance }) {
  return setText(make("p", { className: "hint" }), unlimited ? "usage.credits.any" : "usage.credits", { balance });
}

/** Return the name of a window, which is `primary`, or `code_review:primary` of a further limit. */
function windowName(name, minutes) {
  if (!minutes) return name;
  const [limit] = name.includes(":") ? name.split(":") : [""];
  const isDays = minutes % DAY_MINUTES === 0;
  const length = isDays
    ? t("usage.days", { count: minutes / DAY_MINUTES })
    : t("usage.hours", { count: Math.round(minutes / 6) / 10 });
  return limit ? `${length} · ${limit}` : length;
}

/** Return a name with its figures, a bar below, and when it begins anew; `told` reads the bar out. */
export function measured({ label, figures, share, told, renewal }) {
  return make(
    "div",
    { className: "window" },
    make("div", { className: "window-line" }, make("span", {}, label), make("b", {}, figures)),
    meter(share, told),
    make("p", { className: "hint" }, renewal),
  );
}

/** Return a bar that is filled up to a share of 1, with a name for those who do not see it. */
function meter(share, label) {
  const filled = Math.min(1, Math.max(0, share));
  const bar = make("i");
  bar.style.width = `${filled * 100}%`;
  const holder = make("div", { className: "meter", ariaLabel: label }, bar);
  holder.dataset.level = share >= 1 ? "full" : share >= 0.8 ? "high" : "low";
  holder.setAttribute("role", "meter");
  for (const [name, value] of [["valuemin", 0], ["valuemax", 100], ["valuenow", Math.round(filled * 100)]])
    holder.setAttribute(`aria-${name}`, value);
  return holder;
}

/** Return a share: 42 %. */
export function percent(share) {
  return share.toLocaleString(locale(), { style: "percent", maximumFractionDigits: 0 });
}

/** Return day and time, in the time zone of the browser. */
export function moment(seconds) {
  const parts = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(seconds * 1000).toLocaleString(locale(), parts);
}

/** Return how long it is until then: 2 h 13 min. A window of five hours begins anew in 5 h, not in 5 h 1 min. */
export function until(seconds, now = Date.now() / 1000) {
  const exact = Math.max(0, seconds - now) / MINUTE;
  const left = (exact < 60 ? Math.ceil(exact) : Math.floor(exact)) * MINUTE;
  if (left <= MINUTE) return t("time.soon");
  if (left < HOUR) return t("time.minutes", { minutes: left / MINUTE });
  const [unit, name, below] = left < DAY ? [HOUR, "time.hours", MINUTE] : [DAY, "time.days", HOUR];
  const [count, rest] = [Math.floor(left / unit), Math.floor((left % unit) / below)];
  return rest ? t(name, { count, rest }) : t(`${name}.whole`, { count });
}
