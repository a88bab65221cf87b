// Follows the service: its status every second, and the feed of suggestions. Views look at what it has and are told of
// what comes.
import { ask, Fault } from "./api.js";

const EVERY_MS = 1000, HIDDEN_MS = 5000, MOST = 500;

/** What is known. */
export const live = {
  status: null,
  /** The latest suggestions by id, the oldest first: as they were published last. */
  suggestions: new Map(),
  /** Sums since this page was opened. */
  sums: { recovery: 0, transfer: 0, saved: 0, plans: new Map() },
  latencies: [],
  rates: [],
};

const listeners = new Set();
let after = 0, process = null, last = null, timer = null, generation = 0;

/** Calls `listener(items)` at each answer of the feed, until the signal: with what was published since. */
export function follow(listener, signal) {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}

/** Begins, or begins again: with another token. `told`: what is called with a fault, or null. */
export function begin(told) {
  generation += 1;
  clearTimeout(timer);
  forget();
  poll(told, generation);
}

function forget() {
  [after, process, last] = [0, null, null];
  live.suggestions.clear();
  Object.assign(live, { status: null, latencies: [], rates: [] });
  live.sums = { recovery: 0, transfer: 0, saved: 0, plans: new Map() };
}

async function poll(told, mine) {
  let wait = document.hidden ? HIDDEN_MS : EVERY_MS;
  try {
    const [status, feed] = await Promise.all([ask("v1/status"), ask(`feed?after=${after}`)]);
    if (mine !== generation) return;
    if (process !== null && process !== status.started_at) {
      // Another process answers: its feed counts from the start again.
      forget();
      process = status.started_at;
      return void poll(told, mine);
    }
    [process, after] = [status.started_at, feed.last];
    rate(status);
    live.status = status;
    feed.items.forEach(take);
    told(null);
    for (const listener of [...listeners]) listener(feed.items);
  } catch (error) {
    if (mine !== generation) return;
    if (!(error instanceof Fault)) throw error;
    last = null;
    told(error);
    // Asked for once: it goes on when there is another token.
    if (error.signIn || error.status === 403) return;
    wait = Math.max(wait, (error.retrySeconds ?? 1) * 1000);
  }
  timer = setTimeout(() => poll(told, mine), wait);
}

/** Events a second, by the difference to the status before. */
function rate(status) {
  // A token of some tenants is told nothing of the whole.
  if (!status.totals) return;
  const now = status.uptime_ms;
  if (last && status.totals.records >= last.records && now > last.at) {
    live.rates.push((status.totals.records - last.records) / ((now - last.at) / 1000));
    if (live.rates.length > 60) live.rates.shift();
  }
  last = { records: status.totals.records, at: now };
}

function take({ suggestion: s, latency_ms: latency }) {
  if (latency !== null) {
    live.latencies.push(latency);
    if (live.latencies.length > 200) live.latencies.shift();
  }
  if (s.reason === "erased") {
    // What was erased is shown no longer.
    live.suggestions.delete(s.suggestion_id);
    return;
  }
  if (s.status === "open") {
    live.sums[s.kind] += 1;
    live.sums.saved += Math.max(0, s.estimate?.saved_ms ?? 0);
    live.sums.plans.set(s.plan, (live.sums.plans.get(s.plan) ?? 0) + 1);
  }
  live.suggestions.set(s.suggestion_id, s);
  if (live.suggestions.size > MOST) live.suggestions.delete(live.suggestions.keys().next().value);
}

/** When a suggestion was triggered. */
export const triggeredAt = (s) => s.trigger?.occurred_at ?? s.trigger?.due_at ?? null;

/** The sessions that the latest suggestions are about, the latest first: `{tenant, session, user, latest}`. */
export function sessionsSeen(tenant) {
  const seen = new Map();
  for (const s of [...live.suggestions.values()].reverse()) {
    if (tenant && s.tenant_id !== tenant) continue;
    const key = `${s.tenant_id}/${s.session_id}`;
    if (!seen.has(key)) seen.set(key, { key, tenant: s.tenant_id, session: s.session_id, user: s.user_id, latest: s });
  }
  return [...seen.values()];
}

/** Tenants of the latest suggestions, in the order of their names. */
export function tenantsSeen() {
  return [...new Set([...live.suggestions.values()].map((s) => s.tenant_id))].sort();
}
