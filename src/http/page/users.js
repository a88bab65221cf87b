// Users whose history can be opened: by id, or of the latest suggestions.
import { empty, h, heading, panel, refill, table } from "./dom.js";
import { tenantField } from "./find.js";
import { tenantLink, toUser, userLink } from "./links.js";
import { follow, sessionsSeen } from "./live.js";
import { number } from "./words.js";

export async function users({ signal }) {
  const list = h("div");
  let drawn = "";
  const draw = () => {
    const seen = new Map();
    for (const { tenant, user } of sessionsSeen()) {
      if (user === null || user === undefined) continue;
      const key = `${tenant}/${user}`;
      seen.set(key, { tenant, user, sessions: (seen.get(key)?.sessions ?? 0) + 1 });
    }
    const rows = [...seen.values()].sort((a, b) => b.sessions - a.sessions).slice(0, 100);
    const text = JSON.stringify(rows);
    if (text === drawn) return;
    drawn = text;
    refill(list, rows.length
      ? table("Users", [["User"], ["Tenant"], ["Sessions seen", "n"]], rows.map((one) => [userLink(one.tenant, one.user), tenantLink(one.tenant), number(one.sessions)]))
      : empty("No user is seen yet.", "Name one to open the history."));
  };
  follow(draw, signal);
  draw();
  return [heading(null, "Users"), h("div", { class: "columns" }, panel("Users of the latest suggestions", null, list), h("div", { class: "side" }, form(signal)))];
}

function form(signal) {
  const { input: tenant, field } = tenantField(signal);
  const user = h("input", { name: "user", required: true, spellcheck: "false", autocomplete: "off", maxlength: "256" });
  const made = h("form", { class: "fields" }, field, h("label", null, "User", user), h("button", { type: "submit", class: "main" }, "Open history"));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = toUser(tenant.value.trim(), user.value.trim());
  });
  return panel("A user's history", null, made);
}
