// One session: its state, its copies of KV, and its time line. What comes about it is added while it is open.
import { ask, Fault, path } from "./api.js";
import { copyable, empty, facts, h, heading, panel, refill, table } from "./dom.js";
import { shown } from "./faults.js";
import { sessionLink, tenantLink, toSearch, userLink } from "./links.js";
import { follow } from "./live.js";
import { timeline } from "./timeline.js";
import { ago, bytes, full, known, number, plural, status as mark, words } from "./words.js";

const AGAIN_MS = 5000;

export async function session({ tenant, id, signal }) {
  const base = `v1/tenants/${path(tenant, "sessions", id)}`;
  const load = () => Promise.all([ask(base, { signal }), ask(`${base}/suggestions`, { signal }), ask(`${base}/events`, { signal })]);
  const box = { status: h("span"), state: h("div"), copies: h("div"), line: h("div"), trouble: h("div") };
  let drawn = "", asked = Date.now(), busy = false;
  const draw = ([{ session: state }, told, { events }]) => {
    const text = JSON.stringify([state, told.suggestions, told.ended, events]);
    if (text === drawn) return;
    drawn = text;
    refill(box.status, mark(state.status));
    refill(box.state, stateFacts(tenant, state));
    refill(box.copies, copies(state));
    refill(box.line, timeline(tenant, state, events, told));
  };
  const again = async () => {
    if (busy) return;
    [busy, asked] = [true, Date.now()];
    try {
      draw(await load());
      box.trouble.replaceChildren();
    } catch (error) {
      if (!signal.aborted) box.trouble.replaceChildren(shown(error, again, signal));
      if (error instanceof Fault && error.status === 404) for (const part of [box.status, box.state, box.copies, box.line]) part.replaceChildren();
    } finally {
      busy = false;
    }
  };
  draw(await load());
  const about = ({ suggestion: s }) => s.tenant_id === tenant && s.session_id === id;
  follow((items) => { if (items.some(about) || Date.now() - asked > AGAIN_MS) again(); }, signal);
  return [heading(["Session of ", tenantLink(tenant)], copyable(id), box.status,
    h("a", { class: "action", href: toSearch(tenant, id) }, "Nearest sessions")),
  box.trouble, h("div", { class: "columns" }, panel("Time line", h("span", { class: "sub" }, "latest first"), box.line),
    h("div", { class: "side" }, panel("State", null, box.state), panel("Copies of its KV", null, box.copies)))];
}

function stateFacts(tenant, s) {
  const other = (session) => session && sessionLink(tenant, session);
  const metadata = Object.entries(s.metadata);
  return [facts([
    ["User", s.user_id !== null ? userLink(tenant, s.user_id) : null], ["Ended because", s.end_reason && words(s.end_reason)],
    ["Turns", number(s.turn_count)], ["Tokens of context", s.context_tokens !== null ? number(s.context_tokens) : null],
    ["Started", full(s.started_at)], ["Last active", full(s.last_active)],
    ["Adapter", s.active_adapter && h("code", null, `${s.active_adapter.id}${s.active_adapter.version ? ` v${s.active_adapter.version}` : ""}`)],
    ["Embedding", s.context && `${s.context.space}, up to turn ${s.context.covers_turn}`],
    ["Shared with", { none: "nobody", user: "its user's sessions", tenant: "all of the tenant" }[s.transfer_scope] ?? s.transfer_scope],
    ["Spawned by", other(s.parent_session_id)], ["Goes on with", other(s.continues_session_id)], ["Taken up by", other(s.taken_up_by)],
    ["Events missing", s.gapped ? "yes: a producer's numbers have a hole" : null],
    ["Changed last by", `record ${number(s.as_of.offset)} of partition ${s.as_of.partition}`],
  ]), metadata.length > 0 && h("details", { class: "more", "data-key": "metadata" }, h("summary", null, `Metadata (${metadata.length})`),
    facts(metadata.map(([key, value]) => [key, h("code", null, typeof value === "string" ? value : JSON.stringify(value))])))];
}

function copies(s) {
  if (!s.kv_copies.length) return empty("No copy is known.", "Coming back means to compute its context anew, or to take it from elsewhere.");
  const rows = s.kv_copies.map((copy) => [
    [h("code", null, copy.worker ?? copy.location?.external?.instance ?? copy.location?.external?.provider ?? "?"), h("small", null, [copy.tier, copy.medium].filter(Boolean).join(", "))],
    [number(copy.cached_tokens), h("small", null, bytes(copy.kv_bytes))], [ago(copy.created_at), h("small", null, words(quantization(copy)))]]);
  return [table("Copies of its KV, the cheapest first", [["Where"], ["Tokens", "n"], ["Made"]], rows),
    h("p", { class: "note" }, s.residency === "predicted" ? "Predicted from its last turn; no engine has told." : `Reported by engines. ${plural(s.kv_copies.length, "copy", "copies")}, the cheapest first.`)];
}

function quantization(copy) {
  const kind = copy.quantization;
  if (!kind) return known(null);
  return typeof kind === "string" ? kind : Object.keys(kind)[0];
}
