// The overview: figures, sessions by status, the latest suggestions as they come, plans and partitions.
import { empty, h, heading, panel, refill, table } from "./dom.js";
import { find } from "./find.js";
import { address, sessionLink, tenantLink, toSuggestion } from "./links.js";
import { follow, live, triggeredAt } from "./live.js";
import { duration, ending, known, number, plural, STATUSES, status as mark, when, words } from "./words.js";

const ROWS = 60, NEWS_MS = 10000;

export async function overview({ signal }) {
  const boxes = Object.fromEntries(["figures", "sessions", "plans", "partitions"].map((name) => [name, h("div", { class: name })]));
  const feed = suggestions(signal);
  const update = () => {
    const { status } = live;
    if (!status) return;
    refill(boxes.figures, figures(status));
    refill(boxes.sessions, byStatus(status));
    refill(boxes.plans, plans());
    refill(boxes.partitions, partitions(status));
  };
  follow((items) => { update(); feed.take(items); }, signal);
  update();
  return [heading(null, "Overview"), boxes.figures,
    panel("Sessions by status", null, boxes.sessions),
    h("div", { class: "columns" }, feed.node,
      h("div", { class: "side" }, find(signal),
        panel("Plans", h("span", { class: "sub" }, "seen by this page"), boxes.plans), panel("Partitions", null, boxes.partitions)))];
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

function figures(status) {
  const { sums, latencies, rates } = live, recent = rates.slice(-5);
  const rate = recent.length ? recent.reduce((a, b) => a + b, 0) / recent.length : null;
  const figure = (name, value, unit, note) => h("article", null, h("h2", null, name),
    h("p", { class: "big" }, value, unit && h("small", null, unit)), note && h("p", { class: "sub" }, note));
  const whole = Boolean(status.totals);
  return [
    whole && figure("Events", known(rate, rate < 10 ? 1 : 0), "a second", [plural(status.totals.records, "record"), rates.length > 1 && spark(rates)]),
    figure("Event to commit", latencies.length ? number(quantile(latencies, 0.5), 1) : "–", "ms median",
      latencies.length ? `${number(quantile(latencies, 0.95), 1)} ms for 95 % of ${number(latencies.length)}` : "of the latest suggestions"),
    whole && figure("Open suggestions", number(status.open_suggestions), null,
      `${number(sums.recovery)} recovery, ${number(sums.transfer)} transfer seen`),
    figure("Prefill avoidable", number(sums.saved / 1000, sums.saved < 100000 ? 1 : 0), "s",
      whole ? `predicted; ${number(status.totals.saved_seconds, 1)} s were saved` : "predicted by what this page has seen"),
  ];
}

function spark(rates) {
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const top = Math.max(...rates, 1), step = 120 / 59, left = 120 - step * (rates.length - 1);
  const line = `M${rates.map((r, i) => `${(left + i * step).toFixed(1)},${(27 - (r / top) * 24).toFixed(1)}`).join("L")}`;
  const drawn = svg("svg", { viewBox: "0 0 120 28", preserveAspectRatio: "none", "aria-hidden": "true", class: "spark" });
  drawn.append(svg("path", { class: "area", d: `${line}L120,28L${left.toFixed(1)},28Z` }), svg("path", { class: "line", d: line }));
  return drawn;
}

function byStatus({ sessions, gapped_sessions: gapped }) {
  if (!sessions) return empty("Counts are for those who may see all tenants.", "This token sees some.");
  const all = STATUSES.reduce((sum, name) => sum + sessions[name], 0);
  return [
    h("div", { class: "bar", "aria-hidden": "true" }, STATUSES.filter((name) => sessions[name]).map((name) => h("span", { class: name, vars: { part: sessions[name] } }))),
    h("ul", { class: "statuses" }, STATUSES.map((name) => h("li", null,
      h("a", { href: address(["sessions"], { status: name }) }, mark(name), h("b", null, number(sessions[name])),
        h("small", null, all ? `${number((sessions[name] / all) * 100)} %` : ""))))),
    gapped > 0 && h("p", { class: "note" }, `${plural(gapped, "session")} with events of a producer missing.`),
  ];
}

function plans() {
  const { plans } = live.sums, most = Math.max(...plans.values(), 1);
  if (!plans.size) return empty("No plan yet.");
  return h("ul", { class: "shares" }, [...plans].sort((a, b) => b[1] - a[1]).map(([plan, n]) =>
    h("li", { vars: { part: `${(n / most) * 100}%` } }, h("span", null, words(plan)), h("b", null, number(n)))));
}

function partitions({ partitions: all }) {
  if (!all) return empty("Partitions are for those who may see all tenants.");
  if (!all.length) return empty("This process owns no partition.", "It is joining its group.");
  const rows = [...all].sort((a, b) => a.partition - b.partition).map((p) => [
    p.partition, h("span", { class: `phase ${p.phase}` }, p.phase === "restoring" ? `restoring ${number(p.restored * 100)} %` : p.cause ? `failed: ${p.cause}` : p.phase),
    number(Object.values(p.sessions).reduce((a, b) => a + b, 0)), known(p.next_offset), known(p.lag)]);
  return table("Partitions", [["No.", "n"], ["Phase"], ["Sessions", "n"], ["Offset", "n"], ["Lag", "n"]], rows);
}

/** Where a suggestion comes from, in a few words. */
function origin(s) {
  const copy = s.source?.kv_cache ?? s.kv_cache, parts = [];
  if (s.source && s.source.session_id !== s.session_id) parts.push(`from ${s.source.session_id}`);
  if (copy) parts.push(`${copy.tier} copy${copy.worker ? ` on ${copy.worker}` : ""}, ${number(copy.cached_tokens)} tokens`);
  if (s.adapter) parts.push(`adapter ${s.adapter.id}`);
  if (s.support) parts.push(`${s.support.for} of ${s.support.sessions} sessions for it`);
  return parts.join(" · ") || "its own context";
}

function row(s) {
  const total = s.score?.total ?? 0;
  return h("tr", { class: s.status === "open" ? null : "gone" },
    h("td", { class: "time" }, when(triggeredAt(s))),
    h("th", { scope: "row" }, h("a", { href: toSuggestion(s.tenant_id, s.suggestion_id) }, words(s.plan)),
      h("small", null, s.status === "open" ? `for the ${s.consumer}` : [ending(s), s.reason && s.reason !== s.outcome ? `: ${words(s.reason)}` : null])),
    h("td", null, h("span", { class: "who" }, tenantLink(s.tenant_id), " / ", sessionLink(s.tenant_id, s.session_id)),
      h("small", null, `after ${words(s.trigger?.kind)} · ${origin(s)}`)),
    h("td", { class: "n wide" }, s.estimate ? duration(s.estimate.saved_ms) : "–", h("small", null, s.estimate ? `of ${duration(s.estimate.recompute_ms)}` : "no estimate")),
    h("td", { class: "n" }, h("span", { class: "gauge", vars: { part: `${total * 100}%` } }, number(total, 2))));
}

const WANTED = {
  all: () => true, recovery: (s) => s.kind === "recovery", transfer: (s) => s.kind === "transfer", open: (s) => s.status === "open",
};

/** The latest suggestions. While paused nothing moves; what comes is counted. */
function suggestions(signal) {
  const list = h("div", { class: "feed" }), news = h("p", { class: "hidden", role: "status", "aria-live": "polite" });
  const waits = h("span", { class: "sub" });
  const wanted = h("select", { id: "kind" }, Object.keys(WANTED).map((name) => h("option", { value: name }, name === "open" ? "open only" : name)));
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  let paused = false, missed = 0, fresh = 0;
  const draw = () => {
    const latest = [...live.suggestions.values()].reverse().filter(WANTED[wanted.value]).slice(0, ROWS);
    if (!live.status) return refill(list, h("p", { class: "empty" }, "Loading …"));
    if (!latest.length) {
      return refill(list, empty("Nothing to suggest yet.",
        "A suggestion comes when a session breaks off, asks to resume, loses its cache, or drifts towards what others have done before."));
    }
    refill(list, table("Latest suggestions", [["Time", "time"], ["Plan"], ["Session"], ["Saves", "n wide"], ["Score", "n"]], latest.map(row)));
  };
  const take = (items) => {
    const opened = items.filter(({ suggestion }) => suggestion.status === "open").length;
    if (paused) {
      missed += opened;
      waits.textContent = missed ? `${number(missed)} waiting` : "";
    } else {
      fresh += opened;
      if (items.length || !list.children.length) draw();
    }
  };
  wanted.addEventListener("change", draw);
  pause.addEventListener("click", () => {
    paused = !paused;
    [missed, waits.textContent] = [0, ""];
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) draw();
  });
  // Said aloud now and then, and in sum: each by itself would drown everything else.
  const timer = setInterval(() => {
    if (fresh && !paused) news.textContent = `${plural(fresh, "new suggestion")}.`;
    fresh = 0;
  }, NEWS_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  draw();
  const controls = h("div", { class: "controls" }, waits, h("label", null, "Show ", wanted), pause);
  return { node: panel("Suggestions", controls, list, news), take };
}
