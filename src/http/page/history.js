// A user's sessions by pages, the latest active first.
import { ask, path } from "./api.js";
import { empty, h, heading, panel, table } from "./dom.js";
import { sessionLink, tenantLink, toUser } from "./links.js";
import { ago, known, number, plural, STATUSES, status as mark, words } from "./words.js";

const PAGE = 25;

export async function history({ tenant, id: user, query, signal }) {
  const filters = Object.fromEntries(["status", "active_since", "active_before", "limit"].map((name) => [name, query.get(name)]));
  const cursor = query.get("cursor");
  const given = Object.entries({ limit: PAGE, ...present(filters), ...present({ cursor }) });
  const answer = await ask(`v1/tenants/${path(tenant, "users", user)}/sessions?${new URLSearchParams(given)}`, { signal });
  const rows = answer.sessions.map((s) => [
    sessionLink(tenant, s.session_id), mark(s.status), number(s.turn_count), known(s.context_tokens), ago(s.started_at), ago(s.last_active),
    s.active_adapter?.id ?? "–", s.open_suggestions.length ? number(s.open_suggestions.length) : "–"]);
  const columns = [["Session"], ["Status"], ["Turns", "n"], ["Tokens", "n wide"], ["Started", "time wide"], ["Last active", "time"], ["Adapter", "wide"], ["Open", "n"]];
  const pages = h("nav", { class: "pages", "aria-label": "Pages" },
    cursor && h("a", { href: toUser(tenant, user, filters) }, "« First page"),
    answer.next_cursor && h("a", { href: toUser(tenant, user, { ...filters, cursor: answer.next_cursor }) }, "Next page »"));
  const short = answer.next_cursor && rows.length < Number(filters.limit ?? PAGE);
  return [heading(["User of ", tenantLink(tenant)], user),
    panel("History", h("span", { class: "sub" }, plural(rows.length, "session"), cursor ? " on this page" : ""), form(tenant, user, filters),
      rows.length ? table("Sessions of the user", columns, rows)
        : empty(answer.next_cursor ? "None on this page." : cursor ? "Nothing more." : "No session.",
          answer.next_cursor ? "There may be some on the next one." : Object.keys(present(filters)).length ? "Nothing passes the filters." : "Nothing is known of this user."),
      short && rows.length > 0 && h("p", { class: "note" }, "Few of many pass the filter: there may be more on the next page."), pages)];
}

function present(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== ""));
}

/** What a field of a local date and time holds for an instant, and the other way round. */
function local(text) {
  const at = new Date(/^-?\d+$/.test(text ?? "") ? Number(text) : text ?? NaN);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

function form(tenant, user, filters) {
  const statuses = new Set((filters.status ?? "").split(","));
  const boxes = STATUSES.map((name) => h("input", { type: "checkbox", name: "status", value: name, checked: statuses.has(name) }));
  const since = h("input", { type: "datetime-local", step: "1", value: local(filters.active_since) });
  const before = h("input", { type: "datetime-local", step: "1", value: local(filters.active_before) });
  const limit = h("select", null, [10, 25, 100, 500].map((n) => h("option", { value: n, selected: n === Number(filters.limit ?? PAGE) }, n)));
  const made = h("form", { class: "fields" },
    h("fieldset", null, h("legend", null, "Status"), STATUSES.map((name, at) => h("label", { class: "check" }, boxes[at], words(name)))),
    h("label", null, "Active since", since), h("label", null, "Active before", before), h("label", null, "A page", limit),
    h("button", { type: "submit", class: "main" }, "Show"));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    const instant = (field) => (field.value ? new Date(field.value).getTime() : null);
    const wanted = boxes.filter((box) => box.checked).map((box) => box.value);
    location.hash = toUser(tenant, user, { status: wanted.join(","), active_since: instant(since), active_before: instant(before),
      limit: limit.value === String(PAGE) ? null : limit.value });
  });
  return made;
}
