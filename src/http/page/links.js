// Addresses within the page. They stand behind the #, so that they can be kept, sent and loaded again.
import { h } from "./dom.js";

/** An address of these parts, and of the parameters that have a value. */
export function address(parts, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given).toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}

/** Parts and parameters of an address; `null`: it is none. */
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  try {
    return { parts: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
  } catch {
    return null;
  }
}

export const toTenant = (tenant) => address(["tenants", tenant]);
export const toSession = (tenant, session) => address(["tenants", tenant, "sessions", session]);
export const toUser = (tenant, user, filters) => address(["tenants", tenant, "users", user], filters);
export const toSuggestion = (tenant, id) => address(["tenants", tenant, "suggestions", id]);
export const toSearch = (tenant, session, filters) => address(["search"], { tenant, session, ...filters });

const link = (href, text) => h("a", { href, class: "id" }, text);
export const tenantLink = (tenant) => link(toTenant(tenant), tenant);
export const sessionLink = (tenant, session) => link(toSession(tenant, session), session);
export const userLink = (tenant, user) => (user ? link(toUser(tenant, user), user) : h("span", { class: "sub" }, "–"));
