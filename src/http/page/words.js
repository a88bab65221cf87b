// How values are told: numbers, times, statuses, plans, and reasons in plain words.
import { h } from "./dom.js";

export const STATUSES = ["active", "paused", "interrupted", "ended", "expired"];
const MARKS = { active: "●", paused: "◐", interrupted: "▲", ended: "■", expired: "○" };

const REASONS = {
  worker_epoch_dead: "the worker that held its KV is gone, or not one of those that were named",
  evicted: "its KV was evicted",
  adapter_mismatch: "its KV was made with another adapter",
  namespace_mismatch: "its KV belongs to another model or format",
  taken_up: "another session has taken it up already",
  below_floor: "it is too unlikely to be the one that is taken up",
  expired: "it lies too far back",
  worker_lost: "the worker was lost",
  erased: "its subject was erased",
  scope_tightened: "its user shares less than before",
  resumed: "the session went on without it",
  ended: "the session ended",
  superseded: "a newer suggestion took its place",
};
const OUTCOMES = {
  restored: "all of it was restored", partial: "a part of it was restored", failed: "the restore failed",
  ignored: "it was not used", expired: "it ran out unused", revoked: "it was taken back", superseded: "a newer one took its place",
};

export const words = (name) => String(name ?? "").replaceAll("_", " ");
export const reason = (label) => REASONS[label] ?? words(label);
export const outcome = (label) => OUTCOMES[label] ?? words(label);
export const number = (n, digits = 0) => n.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
export const known = (n, digits = 0) => (n === null || n === undefined ? "–" : number(n, digits));
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  const size = Math.abs(ms);
  if (size < 1000) return `${number(ms, size < 10 && ms % 1 ? 1 : 0)} ms`;
  return size < 60000 ? `${number(ms / 1000, 1)} s` : `${number(ms / 60000, 1)} min`;
}

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = n, at = 0;
  for (; size >= 1024 && at < units.length - 1; at += 1) size /= 1024;
  return `${number(size, at && size < 100 ? 1 : 0)} ${units[at]}`;
}

const two = (n) => String(n).padStart(2, "0");

/** Local time, to the second; with `ms` to the millisecond. */
export function clock(at, ms = false) {
  const d = new Date(at), time = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return ms ? `${time}.${String(d.getMilliseconds()).padStart(3, "0")}` : time;
}

const day = (d) => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
export const absolute = (at) => `${day(new Date(at))} ${clock(at, true)}`;

const STEPS = [[60, "s", 1], [3600, "min", 60], [86400, "h", 3600], [Infinity, "d", 86400]];

export function relative(at, now = Date.now()) {
  const seconds = Math.round((now - at) / 1000), size = Math.abs(seconds);
  if (size < 2) return "now";
  const [, unit, step] = STEPS.find(([most]) => size < most);
  const text = `${number(Math.floor(size / step))} ${unit}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

/** An instant: how long ago it was, the instant itself where one points at it. */
export function ago(at) {
  if (at === null || at === undefined) return h("span", null, "–");
  return h("time", { datetime: iso(at), title: absolute(at), "data-at": at }, relative(at));
}

/** An instant as a time of day. */
export function when(at, ms) {
  if (at === null || at === undefined) return h("span", null, "–");
  return h("time", { datetime: iso(at), title: absolute(at) }, clock(at, ms));
}

/** An instant in full, and how long ago it was. */
export const full = (at) => at === null || at === undefined ? null : h("span", null, absolute(at), " ", h("span", { class: "sub" }, "(", ago(at), ")"));

function iso(at) {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** Keeps relative times up to date. */
export function keepTimes() {
  setInterval(() => {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-at]")) {
      const text = relative(Number(time.dataset.at), now);
      if (time.textContent !== text) time.textContent = text;
    }
  }, 1000);
}

/** A status: a mark, a colour and its word. */
export function status(label) {
  if (!label) return h("span", { class: "sub" }, "unknown");
  return h("span", { class: `status ${STATUSES.includes(label) ? label : ""}` }, h("span", { class: "mark", "aria-hidden": "true" }, MARKS[label] ?? "·"), label);
}

/** What became of a suggestion, or that it is open. */
export function ending(s) {
  const word = s.outcome ?? (s.status === "open" ? "open" : s.status);
  return h("span", { class: `ending ${word}` }, words(word));
}
