// Opens a session, a user or a suggestion by its id.
import { h, panel } from "./dom.js";
import { toSearch, toSession, toSuggestion, toUser } from "./links.js";
import { follow, tenantsSeen } from "./live.js";

const WHAT = {
  session: ["Session", toSession], user: ["User", toUser], suggestion: ["Suggestion", toSuggestion], near: ["Sessions near to", toSearch],
};

/** The tenant of a form, with those that were seen to choose from. */
export function tenantField(signal, value = "") {
  const seen = h("datalist", { id: "tenants-seen" });
  const fill = () => {
    const names = tenantsSeen();
    if (names.length !== seen.children.length) seen.replaceChildren(...names.map((name) => h("option", { value: name })));
  };
  follow(fill, signal);
  fill();
  const input = h("input", { name: "tenant", list: "tenants-seen", required: true, spellcheck: "false", autocomplete: "off", maxlength: "256", value });
  return { input, field: h("label", null, "Tenant", input, seen) };
}

/** A form that opens what is named in it. */
export function find(signal) {
  const { input: tenant, field } = tenantField(signal);
  const what = h("select", { name: "what" }, Object.entries(WHAT).map(([name, [label]]) => h("option", { value: name }, label)));
  const id = h("input", { name: "id", required: true, spellcheck: "false", autocomplete: "off", maxlength: "256" });
  const form = h("form", { class: "fields" }, field, h("label", null, "What", what), h("label", null, "Id", id),
    h("button", { type: "submit", class: "main" }, "Open"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = WHAT[what.value][1](tenant.value.trim(), id.value.trim());
  });
  return panel("Open by id", null, form);
}
