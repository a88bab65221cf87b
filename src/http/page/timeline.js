// A session's time line: the events that its state stands on, its suggestions, and what became of them.
import { empty, h } from "./dom.js";
import { sessionLink, toSuggestion } from "./links.js";
import { triggeredAt } from "./live.js";
import { absolute, ago, clock, duration, ending, number, outcome, reason, words } from "./words.js";

/** All of it, the latest first; of one instant what came later first. */
export function timeline(tenant, { started_at: startedAt }, events, { suggestions, ended }) {
  const entries = [...withStart(events, startedAt).map(ofEvent), ...[...ended, ...suggestions].flatMap((s) => ofSuggestion(tenant, s))];
  entries.sort((a, b) => b.at - a.at || b.rank - a.rank);
  if (!entries.length) return empty("Nothing is known of its course.");
  let day = null;
  const items = entries.map(({ at, kind, what, more }) => {
    const date = absolute(at).slice(0, 10), first = date !== day;
    day = date;
    return h("li", { class: `entry ${kind}` },
      h("div", { class: "instant" }, first && h("span", { class: "day" }, date), h("span", { class: "clock" }, clock(at, true)), h("small", null, ago(at))),
      h("div", { class: "what" }, h("p", null, what), more.filter(Boolean).map((line) => h("p", { class: "sub" }, line))));
  });
  return [h("ol", { class: "line" }, items), h("p", { class: "note" },
    "Events are those that the state still stands on: one that a later one has replaced in everything is not kept. "
    + "Of suggestions that ended, those are shown that this process remembers.")];
}

const SETS = {
  status: (value) => value, started: () => "started", turn: (n) => (n === "0" ? "tokens told" : `turn ${n}`), ended: (why) => (why ? `ended (${words(why)})` : "ended"),
  context: (space) => `embedding in ${space}`, user: (user) => `user ${user}`, kv_placed: (at) => `KV placed on ${at}`, kv_evicted: (what) => `KV evicted: ${words(what)}`,
  transfer_scope: (scope) => `shared with ${scope ?? "nobody"}`, adapter: (id) => (id ? `adapter ${id}` : "no adapter"), adapter_removed: (id) => `adapter ${id} removed`,
  resumed_from: (session) => `resumed from ${session}`, continues: (session) => `goes on with ${session}`, parent: (session) => `spawned by ${session}`,
  cache: (namespace) => `cache ${namespace}`, prefix: () => "prefix", metadata: () => "metadata",
};
const LOUD = ["started", "status", "ended", "turn", "kv_placed", "kv_evicted", "resumed_from"];

/** An event: what it did first, and smaller what else it set. */
function ofEvent({ event_id: id, occurred_at: at, seq, sets }) {
  const told = sets.filter(({ facet }) => facet !== "trigger").map((set) => ({ ...set, text: (SETS[set.facet] ?? (() => words(set.facet)))(set.value) }));
  told.sort((a, b) => Number(LOUD.includes(b.facet)) - Number(LOUD.includes(a.facet)));
  const trigger = sets.find(({ facet }) => facet === "trigger");
  if (!told.length && trigger) told.push({ facet: "status", text: words(trigger.value) });
  const loud = told.filter(({ facet }, n) => n === 0 || LOUD.includes(facet)), quiet = told.filter((one) => !loud.includes(one));
  return { at, rank: 0, kind: "event", what: [h("strong", null, loud.map(({ text }) => text).join(", ")), h("span", { class: "tag" }, "event")],
    more: [quiet.length > 0 && quiet.map(({ text }) => text).join(", "), [id && h("code", null, id), seq ? ` seq ${number(seq)}` : ""]] };
}

/** With the start, which the state knows without its event: one of the same instant is taken to be it. */
function withStart(events, startedAt) {
  if (startedAt === null) return events;
  const started = { facet: "started", value: null };
  if (!events.some(({ occurred_at: at }) => at === startedAt)) return [{ event_id: null, occurred_at: startedAt, seq: 0, sets: [started] }, ...events];
  const first = events.findIndex(({ occurred_at: at }) => at === startedAt);
  return events.map((event, n) => (n === first ? { ...event, sets: [started, ...event.sets] } : event));
}

function ofSuggestion(tenant, s) {
  const link = h("a", { href: toSuggestion(tenant, s.suggestion_id) }, words(s.plan)), at = triggeredAt(s);
  const from = s.source && s.source.session_id !== s.session_id ? sessionLink(tenant, s.source.session_id) : null;
  const opened = { at, rank: 2, kind: `suggested ${s.kind}`,
    what: [h("strong", null, link), ` suggested after ${words(s.trigger.kind)}`, h("span", { class: "tag" }, s.kind), s.status === "open" && ending(s)],
    more: [[`for the ${s.consumer}, score ${number(s.score?.total ?? 0, 2)}`, s.estimate && `, saves ${duration(s.estimate.saved_ms)} of ${duration(s.estimate.recompute_ms)}`, from && [", from ", from]]] };
  if (s.ended_at === undefined || s.ended_at === null) return [opened].filter((entry) => entry.at !== null);
  const word = s.outcome ?? s.status;
  const closed = { at: s.ended_at, rank: 1, kind: `over ${word}`, what: [ending(s), " ", h("a", { href: toSuggestion(tenant, s.suggestion_id) }, words(s.plan)), h("span", { class: "tag" }, "outcome")],
    more: [s.reason && s.reason !== "superseded" ? reason(s.reason) : outcome(word), actual(s.actual)] };
  return [opened, closed].filter((entry) => entry.at !== null);
}

function actual(a) {
  if (!a) return null;
  const parts = [a.restored_tokens !== null && `${number(a.restored_tokens)} tokens restored`, a.recomputed_tokens !== null && `${number(a.recomputed_tokens)} computed`,
    a.ttft_ms !== null && `first token after ${duration(a.ttft_ms)}`, a.saved_ms !== null && `${duration(a.saved_ms)} saved`];
  return parts.filter(Boolean).join(", ");
}
