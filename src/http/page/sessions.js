// Sessions that the latest suggestions are about, with the status they have now: of all tenants, or of one.
import { ask, Fault, path } from "./api.js";
import { empty, h, heading, panel, refill, table } from "./dom.js";
import { find } from "./find.js";
import { shown } from "./faults.js";
import { address, sessionLink, tenantLink, toSuggestion, toTenant, userLink } from "./links.js";
import { follow, live, sessionsSeen, triggeredAt } from "./live.js";
import { ago, known, number, plural, STATUSES, status as mark, words } from "./words.js";

const MOST = 100, AT_ONCE = 6, AGAIN_MS = 10000;

export async function sessions({ tenant, query, signal }) {
  const wanted = STATUSES.includes(query.get("status")) ? query.get("status") : null;
  const others = h("div");
  const chips = h("nav", { class: "chips", "aria-label": "Filter by status" }), list = h("div"), note = h("p", { class: "note" });
  const states = new Map();
  let busy = false, asked = 0;

  const here = (status) => (tenant ? address(["tenants", tenant], { status }) : address(["sessions"], { status }));
  const draw = (seen) => {
    refill(others, tenants(tenant));
    const held = seen.filter((one) => states.has(one.key));
    const count = (status) => held.filter((one) => states.get(one.key).status === status).length;
    refill(chips, [null, ...STATUSES].map((status) => h("a", { href: here(status), "aria-current": status === wanted ? "true" : null },
      status ? mark(status) : "all", h("b", null, number(status ? count(status) : held.length)))));
    const rows = held.filter((one) => !wanted || states.get(one.key).status === wanted).map((one) => row(one, states.get(one.key)));
    if (!seen.length) refill(list, empty("No suggestion is known that says of a session.", "Open a session by its id, or a user's history."));
    else if (!rows.length) refill(list, empty(wanted ? `None of these sessions is ${wanted} now.` : "Loading …"));
    else refill(list, table("Sessions", [["Session"], ["User", "wide"], ["Status"], ["Turns", "n"], ["Tokens", "n wide"], ["Last active", "time"], ["Latest suggestion"]], rows));
    note.textContent = `The ${plural(held.length, "session")} that the latest suggestions are about, as they are now. `
      + "Any other one opens by its id, and all of a user's in the user's history.";
  };
  const load = async () => {
    if (busy || !live.status) return;
    [busy, asked] = [true, Date.now()];
    const seen = sessionsSeen(tenant).slice(0, MOST);
    try {
      await inTurn(seen, AT_ONCE, async (one) => {
        try {
          const answer = await ask(`v1/tenants/${path(one.tenant, "sessions", one.session)}`, { signal });
          states.set(one.key, answer.session);
        } catch (error) {
          // One that is forgotten by now is no fault of the others.
          if (!(error instanceof Fault && error.status === 404)) throw error;
          states.delete(one.key);
        }
      });
      draw(seen);
    } catch (error) {
      if (!signal.aborted) refill(list, shown(error, load, signal));
    } finally {
      busy = false;
    }
  };
  follow(() => { if (Date.now() - asked > AGAIN_MS) load(); }, signal);
  draw([]);
  refill(list, h("p", { class: "empty" }, "Loading …"));
  load();
  const above = tenant ? [h("a", { href: "#/sessions" }, "Sessions"), " / tenant"] : null;
  return [heading(above, tenant ?? "Sessions"), h("div", { class: "columns" },
    panel("Sessions of the latest suggestions", null, chips, list, note), h("div", { class: "side" }, find(signal), others))];
}

/** Does it for all, so many at a time. */
async function inTurn(all, atOnce, job) {
  const left = [...all];
  const worker = async () => {
    for (let one = left.shift(); one; one = left.shift()) await job(one);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function row(one, state) {
  return [
    [h("span", { class: "who" }, sessionLink(one.tenant, one.session)), h("small", null, tenantLink(one.tenant))],
    userLink(one.tenant, state.user_id), mark(state.status), number(state.turn_count), known(state.context_tokens), ago(state.last_active),
    [h("a", { href: toSuggestion(one.tenant, one.latest.suggestion_id) }, words(one.latest.plan)),
      h("small", null, `${one.latest.status}, `, ago(triggeredAt(one.latest)))],
  ];
}

function tenants(current) {
  const counts = new Map();
  for (const { tenant } of sessionsSeen()) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
  if (!counts.size) return null;
  const items = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([tenant, n]) => h("li", null,
    h("a", { href: toTenant(tenant), class: "id", "aria-current": tenant === current ? "page" : null }, tenant), h("b", null, number(n))));
  return panel("Tenants", h("span", { class: "sub" }, "sessions seen"), h("ul", { class: "pairs" }, items));
}
