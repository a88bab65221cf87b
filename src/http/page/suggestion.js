// One suggestion: what it says, each part of its score, what lost against it, and what became of it.
import { ask, path } from "./api.js";
import { copyable, empty, facts, h, heading, panel, refill, table } from "./dom.js";
import { sessionLink, tenantLink, toSuggestion, userLink } from "./links.js";
import { follow } from "./live.js";
import { duration, ending, full, known, number, outcome, reason, words } from "./words.js";

export async function suggestion({ tenant, id, signal }) {
  const where = `v1/tenants/${path(tenant, "suggestions", id)}`;
  const load = () => ask(where, { signal });
  const box = { says: h("div"), why: h("div"), lost: h("div"), raw: h("div"), status: h("span") };
  const draw = ({ suggestion: s, explanation }) => {
    refill(box.status, ending(s));
    refill(box.says, says(tenant, s, explanation));
    refill(box.why, score(explanation));
    refill(box.lost, lost(tenant, s, explanation));
    refill(box.raw, h("details", { class: "more", "data-key": "raw" }, h("summary", null, "As it was published"), h("pre", { tabindex: "0" }, JSON.stringify(s, null, 2))));
  };
  const first = await load();
  draw(first);
  follow((items) => {
    if (items.some(({ suggestion: s }) => s.suggestion_id === id)) load().then(draw).catch(() => {});
  }, signal);
  const { suggestion: s } = first;
  return [heading([`${s.kind === "recovery" ? "Recovery" : "Transfer"} suggested to `, sessionLink(tenant, s.session_id), " of ", tenantLink(tenant)], words(s.plan), box.status),
    h("div", { class: "columns" }, h("div", { class: "side" }, panel("Why", h("span", { class: "sub" }, "how the score adds up"), box.why),
      panel("What lost against it", null, box.lost)),
    h("div", { class: "side" }, panel("What it says", null, box.says), box.raw))];
}

function says(tenant, s, { trigger }) {
  const copy = s.source?.kv_cache ?? s.kv_cache, { actual } = s;
  const milliseconds = (e) => [duration(e.saved_ms), h("span", { class: "sub" }, ` of ${duration(e.recompute_ms)}, ${e.basis}`)];
  return [facts([
    ["Id", copyable(s.suggestion_id)], ["For", `the ${s.consumer}`], ["User", s.user_id ? userLink(tenant, s.user_id) : null],
    ["Because of", [words(trigger.kind), h("span", { class: "sub" }, ` record ${number(trigger.offset)} of partition ${trigger.partition}`)]],
    ["At", full(trigger.occurred_at ?? trigger.due_at)], ["Event", trigger.event_id && h("code", null, trigger.event_id)],
    ["Draws on", s.source && [s.source.session_id === s.session_id ? "its own session" : sessionLink(tenant, s.source.session_id)]],
    ["Ground", s.match && words(s.match.basis)],
    ["Copy", copy && [h("code", null, copy.worker ?? copy.location?.external?.instance ?? "?"), h("span", { class: "sub" }, ` ${copy.tier}, ${number(copy.cached_tokens)} tokens`)]],
    ["Matched", s.match?.matched_tokens ? `${number(s.match.matched_tokens)} tokens, ${known(s.match.missing_tokens)} missing` : null],
    ["Adapter", s.adapter && h("code", null, s.adapter.id)], ["Support", s.support && `${s.support.for} of ${s.support.sessions} sessions for it, ${s.support.against} against`],
    ["Saves", s.estimate && milliseconds(s.estimate)], ["Holds until", full(s.valid_until)],
    ["Takes the place of", s.supersedes && h("a", { href: toSuggestion(tenant, s.supersedes), class: "id" }, `${s.supersedes.slice(0, 8)}…`)],
  ]), s.ended_at !== null && s.ended_at !== undefined && [h("h3", null, "What became of it"), facts([
    ["Outcome", [ending(s), h("span", { class: "sub" }, ` ${s.reason && s.reason !== "superseded" ? reason(s.reason) : outcome(s.outcome)}`)]], ["When", full(s.ended_at)],
    ["Saved", actual && actual.saved_ms !== null ? duration(actual.saved_ms) : null], ["First token after", actual && actual.ttft_ms !== null ? duration(actual.ttft_ms) : null],
    ["Restored", actual && actual.restored_tokens !== null ? `${number(actual.restored_tokens)} tokens` : null],
    ["Computed anew", actual && actual.recomputed_tokens !== null ? `${number(actual.recomputed_tokens)} tokens` : null], ["Known by", actual && words(actual.basis)],
  ])]];
}

function score({ score: parts, floor, policy }) {
  if (!parts) return empty("The score cannot be taken apart.", `The policy ${policy} that decided it is not remembered any more.`);
  const most = Math.max(...parts.terms.map((term) => Math.abs(term.share)), 1e-9);
  const row = ({ name, value, weight, share }) => [words(name), value === null ? "unknown" : number(value, 3), number(weight, 2), number(share, 2),
    h("span", { class: `tilt ${share < 0 ? "down" : "up"}`, "aria-hidden": "true", vars: { part: `${(Math.abs(share) / most) * 50}%` } })];
  const columns = [["Term"], ["Value", "n"], ["Weight", "n"], ["Share", "n"], ["", "chart"]];
  const counted = parts.terms.filter((term) => term.share !== 0), idle = parts.terms.filter((term) => term.share === 0);
  const sum = h("tr", { class: "sum" }, h("th", { scope: "row" }, "Sum"), h("td"), h("td"), h("td", { class: "n" }, number(parts.sum, 2)), h("td"));
  return [
    h("p", { class: "verdict" }, h("b", null, number(parts.total, 3)), " is how likely it is that this is what comes back",
      floor === null ? "." : `; from ${number(floor, 2)} on it is suggested.`),
    scored(columns, counted.map(row), sum),
    idle.length > 0 && h("details", { class: "more", "data-key": "idle" }, h("summary", null, `${idle.length} terms that add nothing`), table("Terms that add nothing", columns.slice(0, 4), idle.map((term) => row(term).slice(0, 4)))),
    h("p", { class: "note" }, "A share is value × weight, in log-odds; the score is 1 / (1 + e^−sum). Policy ", h("code", null, policy.slice(0, 12)), "."),
  ];
}

function scored(columns, rows, sum) {
  const made = table("Terms of the score", columns, rows);
  made.querySelector("tbody").append(sum);
  made.querySelector("thead th:last-child").append(h("span", { class: "hidden" }, "Share drawn"));
  return made;
}

function lost(tenant, s, { alternatives, rejected }) {
  if (s.kind !== "recovery") return empty("Of a transfer nothing is kept of what lost.");
  if (!alternatives?.length && !rejected?.length) return empty("Nothing else came into question.");
  return [
    alternatives.length > 0 && [h("h3", null, "Less likely, or worth less"), table("Alternatives", [["Session"], ["Plan"], ["Score", "n"]],
      alternatives.map((a) => [sessionLink(tenant, a.session_id), words(a.plan), h("span", { class: "gauge", vars: { part: `${a.score * 100}%` } }, number(a.score, 2))]))],
    rejected.length > 0 && [h("h3", null, "Rejected"), table("Rejected", [["Session"], ["Why"]],
      rejected.map((r) => [sessionLink(tenant, r.session_id), [reason(r.reason), h("small", null, words(r.reason))]]))],
  ];
}
