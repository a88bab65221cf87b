// The sessions of a tenant whose embeddings are nearest to that of one of them.
import { ask, path } from "./api.js";
import { empty, h, heading, panel, table } from "./dom.js";
import { tenantField } from "./find.js";
import { shown } from "./faults.js";
import { sessionLink, toSearch } from "./links.js";
import { ago, number, plural, STATUSES, status as mark } from "./words.js";

const NEAREST = 20;

export async function search({ query, signal }) {
  const given = Object.fromEntries(["tenant", "session", "k", "status", "user", "scope"].map((name) => [name, query.get(name) ?? ""]));
  const parts = [heading(null, "Search"), panel("Nearest to a session", null, form(given, signal))];
  if (given.tenant && given.session) parts.push(await found(given, signal));
  return parts;
}

async function found(given, signal) {
  const { tenant, session, status, user, scope } = given, box = h("div");
  const filters = { ...(status && { status: [status] }), ...(user && { user_id: user }), ...(scope && { scope }) };
  const fill = async () => {
    try {
      const answer = await ask(`v1/tenants/${path(tenant, "search")}`, { body: { session_id: session, k: Number(given.k || NEAREST), filters }, signal });
      box.replaceChildren(panel("Hits", h("span", { class: "sub" }, plural(answer.hits.length, "session")), hits(tenant, answer.hits)));
    } catch (error) {
      if (!signal.aborted) box.replaceChildren(shown(error, fill, signal));
    }
  };
  await fill();
  return box;
}

function hits(tenant, all) {
  if (!all.length) return empty("Nothing is near it.", "No other session of this tenant has an embedding of the same space and passes the filters.");
  const rows = all.map((hit, at) => [sessionLink(tenant, hit.session_id), at + 1,
    h("span", { class: "gauge", vars: { part: `${Math.max(0, hit.similarity) * 100}%` } }, number(hit.similarity, 3)), mark(hit.status), ago(hit.last_active),
    h("a", { href: toSearch(tenant, hit.session_id), "aria-label": `Nearest to ${hit.session_id}` }, "its nearest")]);
  return table("Nearest sessions", [["Session"], ["Rank", "n"], ["Cosine", "n"], ["Status"], ["Last active", "time"], ["Go on"]], rows);
}

function form(given, signal) {
  const { input: tenant, field } = tenantField(signal, given.tenant);
  const text = (name, required) => h("input", { name, required, value: given[name], spellcheck: "false", autocomplete: "off", maxlength: "256" });
  const choice = (name, values) => h("select", { name }, ["", ...values].map((value) => h("option", { value, selected: value === given[name] }, value || "any")));
  const session = text("session", true), user = text("user", false);
  const status = choice("status", STATUSES), scope = choice("scope", ["none", "user", "tenant"]);
  const k = h("input", { name: "k", type: "number", min: "1", max: "1000", value: given.k || NEAREST });
  const made = h("form", { class: "fields" }, field, h("label", null, "Session", session), h("label", null, "How many", k),
    h("label", null, "Status", status), h("label", null, "User", user), h("label", null, "Shares at least", scope), h("button", { type: "submit", class: "main" }, "Search"));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = toSearch(tenant.value.trim(), session.value.trim(), { k: k.value === String(NEAREST) ? null : k.value,
      status: status.value, user: user.value.trim(), scope: scope.value });
  });
  return made;
}
