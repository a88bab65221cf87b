// Begins: shows the view that the address names, asks for a token where one is needed, and tells how the service is.
import { forgetToken, keepToken, token } from "./api.js";
import { empty, h, heading } from "./dom.js";
import { shown } from "./faults.js";
import { read } from "./links.js";
import { begin, live } from "./live.js";
import { keepTimes } from "./words.js";
import { history } from "./history.js";
import { overview } from "./overview.js";
import { search } from "./search.js";
import { session } from "./session.js";
import { sessions } from "./sessions.js";
import { suggestion } from "./suggestion.js";
import { users } from "./users.js";

const byId = (id) => document.getElementById(id);
const view = byId("view");
let leave = new AbortController();

/** The view of an address: `[function, title, which part of the menu]`. */
function chosen({ parts, query }) {
  const [first, tenant, kind, id] = parts;
  const given = { tenant, id, query };
  if (!first) return [overview, "Overview", "#/"];
  if (parts.length === 1) {
    const alone = { sessions: [sessions, "Sessions"], users: [users, "Users"], search: [search, "Search"] }[first];
    return alone && [...alone, `#/${first}`, given];
  }
  if (first !== "tenants") return null;
  if (parts.length === 2) return [sessions, tenant, "#/sessions", given];
  const one = {
    sessions: [session, `Session ${id}`, "#/sessions", given],
    users: [history, `User ${id}`, "#/users", given],
    suggestions: [suggestion, `Suggestion ${id}`, "#/", given],
  }[kind];
  return parts.length === 4 ? one : null;
}

/** Shows what the address names. `moved`: whoever reads comes from another view. */
async function show(moved) {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave, target = read(location.hash);
  const [render, title, menu, given] = (target && chosen(target)) ?? [nothing, "No such view", ""];
  document.title = `${title} – rekindle`;
  for (const link of byId("nav").children) {
    if (link.getAttribute("href") === menu) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.setAttribute("aria-busy", "true");
  const soon = setTimeout(() => view.replaceChildren(heading(null, title), h("p", { class: "empty" }, "Loading …")), 150);
  try {
    const made = await render({ ...given, signal });
    if (signal.aborted) return;
    view.replaceChildren(...[made].flat());
  } catch (error) {
    if (signal.aborted) return;
    view.replaceChildren(heading(null, title), shown(error, () => show(false), signal));
  } finally {
    clearTimeout(soon);
    if (!signal.aborted) view.removeAttribute("aria-busy");
  }
  if (moved && !signal.aborted) {
    scrollTo(0, 0);
    view.querySelector("h1")?.focus({ preventScroll: true });
  }
}

async function nothing() {
  return [heading(null, "No such view"), empty("This address names no view.", h("a", { href: "#/" }, "Go to the overview"))];
}

/** Tells how the service is. */
function told(fault) {
  const ready = byId("ready"), { status } = live;
  byId("sign-out").hidden = !token();
  const wasIn = byId("sign-in").hidden, denied = fault?.signIn || fault?.status === 403;
  byId("sign-in").hidden = !denied;
  byId("trouble").hidden = !fault || denied;
  say(ready, denied ? "not signed in" : fault ? "no answer" : status.ready ? "ready" : `not ready: ${status.cause}`);
  ready.className = !fault && status.ready ? "pill ok" : "pill no";
  if (denied) {
    byId("sign-in-title").textContent = fault.title;
    byId("sign-in-note").textContent = fault.message;
    if (wasIn && document.activeElement === document.body) byId("token").focus();
  } else if (fault) {
    say(byId("trouble"), `${fault.title}: ${fault.message}. Asking again; what is shown is the last that is known.`);
  } else {
    byId("demo").hidden = status.mode !== "demo" || read(location.hash)?.parts.length !== 0;
    byId("version").textContent = `rekindle ${status.version}`;
  }
}

/** Sets a text if it is another one: what is said aloud is said once. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  view.focus();
});
byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(byId("token").value.trim());
  byId("token").value = "";
  byId("sign-in").hidden = true;
  begin(told);
  show(true);
});
byId("sign-out").addEventListener("click", () => {
  forgetToken();
  begin(told);
  show(true);
});
addEventListener("hashchange", () => show(true));
keepTimes();
begin(told);
show(false);
