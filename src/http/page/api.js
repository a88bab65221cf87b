// Asks the service, and says in plain words why there is no answer. It only reads.

// The token goes into a header and nowhere else, and is forgotten with the tab.
const TOKEN = "rekindle-token";
const PATIENCE_MS = 10000;

export const token = () => sessionStorage.getItem(TOKEN);
export const keepToken = (text) => sessionStorage.setItem(TOKEN, text);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);

/** Why there is no answer. `status` 0: nobody answered. */
export class Fault extends Error {
  constructor(status, problem, retrySeconds) {
    super(problem.detail ?? "");
    this.status = status;
    this.problem = problem;
    /** Seconds after which asking again makes sense; null: it does not by itself. */
    this.retrySeconds = retrySeconds;
  }

  get signIn() {
    return this.status === 401;
  }

  /** What it is called. */
  get title() {
    return TITLES[this.status] ?? (this.status >= 500 ? "Something went wrong there" : "That could not be answered");
  }

  /** What it means to who reads. */
  get meaning() {
    return MEANINGS[this.status] ?? "";
  }
}

const TITLES = {
  0: "No answer from rekindle", 400: "That cannot be asked", 401: "A token is needed", 403: "The token may not do that",
  404: "Nothing is known of it", 408: "The question came too slowly", 409: "Not that far yet", 421: "Not by this name",
  429: "Asked too often", 503: "Not now",
};
const MEANINGS = {
  0: "The process does not run, or the network is in the way.",
  403: "Sign in with one that may.",
  404: "It never was, is forgotten by now, or belongs to a tenant that this token is not for.",
  409: "The log is not folded up to what was asked for.",
  503: "The answer will come once the partition is here and running.",
};

/** A path of the API. Parts `.` and `..` would mean another path. */
export function path(...parts) {
  if (parts.some((part) => part === "." || part === "..")) {
    throw new Fault(400, { detail: "an id that is . or .. cannot stand in an address" }, null);
  }
  return parts.map(encodeURIComponent).join("/");
}

/** What a path answers. With `body` it is posted. */
export async function ask(path, { body, signal } = {}) {
  const headers = token() ? { authorization: `Bearer ${token()}` } : {};
  const options = { cache: "no-store", headers, signal: AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), ...(signal ? [signal] : [])]) };
  if (body) {
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    headers["content-type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(path, options);
    if (answer.ok) return await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    const slow = error.name === "TimeoutError" ? `nothing came within ${PATIENCE_MS / 1000} s` : "it cannot be reached";
    throw new Fault(0, { detail: slow }, 5);
  }
  const problem = await answer.json().catch(() => ({}));
  const after = Number.parseInt(answer.headers.get("retry-after") ?? "", 10);
  throw new Fault(answer.status, problem, Number.isFinite(after) ? after : null);
}
