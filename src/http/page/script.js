"use strict";
// Everything that comes from data is set as text, never as markup: ids may hold any visible character.
const STATUSES = ["active", "paused", "interrupted", "ended", "expired"];
const PLAN_TONES = { resume_in_place: "#2f9e44", restore_kv: "#e8590c", prefetch: "#1c7ed6", retain: "#0c8599",
  adapter_only: "#9c36b5", context_only: "#5c7cfa", use_adapter: "#ae3ec9", refer_context: "#4263eb", reuse_prefix: "#d6336c" };
const COMPONENT_TONES = { similarity: "#d6336c", recency: "#e0a100", interrupted: "#e8590c", ended: "#8a8178", own_session: "#1c7ed6",
  declared: "#7048e8", kv_value: "#2f9e44", adapter_match: "#0c8599", support: "#ae3ec9" };
const MAX_ROWS = 80, MAX_LATENCIES = 200, SPARK_POINTS = 60;
const byId = (id) => document.getElementById(id);
const number = (n, digits = 0) => n.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });

let after = 0, last = null, process = null, offered = 0, recovery = 0, transfer = 0;
const latencies = [], rates = [], waiting = [];
const plans = new Map(), tones = new Map(), rows = new Map();
const paused = () => byId("pause").getAttribute("aria-pressed") === "true";

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function duration(ms) {
  const size = Math.abs(ms);
  if (size < 1000) return `${number(ms)} ms`;
  return size < 60000 ? `${number(ms / 1000, 1)} s` : `${number(ms / 60000, 1)} min`;
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

function tone(component) {
  if (!tones.has(component)) {
    tones.set(component, COMPONENT_TONES[component] ?? "#8a8178");
    const item = element("li", "", component.replaceAll("_", " "));
    item.style.setProperty("--tone", tones.get(component));
    byId("components").append(item);
  }
  return tones.get(component);
}

function showStatus(status) {
  const ready = byId("ready");
  ready.className = status.ready ? "pill ok" : "pill no";
  ready.textContent = status.ready ? "ready" : `not ready: ${status.cause}`;
  byId("demo").hidden = status.mode !== "demo";
  byId("version").textContent = `rekindle ${status.version}`;
  // A token of some tenants is told nothing of the whole.
  if (!status.totals) return;
  const now = status.uptime_ms;
  if (last && status.totals.records >= last.records && now > last.at) {
    const rate = (status.totals.records - last.records) / ((now - last.at) / 1000);
    rates.push(rate);
    if (rates.length > SPARK_POINTS) rates.shift();
    const recent = rates.slice(-5);
    byId("rate").textContent = number(recent.reduce((a, b) => a + b, 0) / recent.length, rate < 10 ? 1 : 0);
    spark();
  }
  last = { records: status.totals.records, at: now };
  byId("open").textContent = number(status.open_suggestions);
  showSessions(status.sessions);
  showPartitions(status.partitions);
}

function spark() {
  const top = Math.max(...rates, 1), step = 120 / (SPARK_POINTS - 1), left = 120 - step * (rates.length - 1);
  const points = rates.map((r, i) => `${(left + i * step).toFixed(1)},${(27 - (r / top) * 24).toFixed(1)}`);
  const path = `M${points.join("L")}`;
  document.querySelector("#spark .line").setAttribute("d", path);
  document.querySelector("#spark .area").setAttribute("d", `${path}L120,28L${left.toFixed(1)},28Z`);
}

function showSessions(sessions) {
  const bar = byId("bar"), legend = byId("statuses");
  if (!bar.children.length) {
    for (const status of STATUSES) {
      bar.append(element("span", status));
      const item = element("li", status, status);
      item.append(element("b"));
      legend.append(item);
    }
  }
  STATUSES.forEach((status, at) => {
    const n = sessions[status] ?? 0;
    bar.children[at].style.flexGrow = n;
    bar.children[at].hidden = n === 0;
    legend.children[at].querySelector("b").textContent = number(n);
  });
  bar.setAttribute("aria-label", `Sessions: ${STATUSES.map((s) => `${sessions[s] ?? 0} ${s}`).join(", ")}`);
}

function showPartitions(partitions) {
  byId("partitions").hidden = partitions.length === 0;
  byId("partitions-empty").hidden = partitions.length > 0;
  const rows = [...partitions].sort((a, b) => a.partition - b.partition).map((p) => {
    const row = element("tr");
    const phase = p.phase === "restoring" ? `restoring ${number(p.restored * 100)} %` : p.cause ? `failed: ${p.cause}` : p.phase;
    const sessions = Object.values(p.sessions).reduce((a, b) => a + b, 0);
    row.append(element("td", "", p.partition), element("td", p.phase, phase), element("td", "", number(sessions)),
      element("td", "", p.next_offset === null ? "–" : number(p.next_offset)), element("td", "", p.lag === null ? "–" : number(p.lag)));
    return row;
  });
  byId("partitions").tBodies[0].replaceChildren(...rows);
}

function take(item) {
  const s = item.suggestion;
  if (item.latency_ms !== null) {
    latencies.push(item.latency_ms);
    if (latencies.length > MAX_LATENCIES) latencies.shift();
  }
  if (s.status === "open") {
    if (s.kind === "recovery") recovery += 1; else transfer += 1;
    offered += Math.max(0, s.estimate?.saved_ms ?? 0);
    plans.set(s.plan, (plans.get(s.plan) ?? 0) + 1);
  }
  waiting.push(item);
  if (waiting.length > 5 * MAX_ROWS) waiting.shift();
}

function origin(s) {
  const copy = s.source?.kv_cache, parts = [];
  parts.push(s.source?.session_id === s.session_id ? "its own context" : `from ${s.source?.session_id ?? "?"}`);
  if (copy) parts.push(`${copy.tier} copy${copy.worker ? ` on ${copy.worker}` : ""}, ${number(copy.cached_tokens)} tokens`);
  if (s.adapter) parts.push(`adapter ${s.adapter.id}`);
  if (s.support) parts.push(`${s.support.for} of ${s.support.sessions} sessions for it`);
  return parts.join(" · ");
}

function bars(score) {
  const box = element("span", "bars");
  for (const [name, value] of Object.entries(score)) {
    if (name === "total" || value === null) continue;
    const bar = element("i");
    bar.title = `${name.replaceAll("_", " ")}: ${number(value, 2)}`;
    bar.style.setProperty("--tone", tone(name));
    bar.style.setProperty("--part", `${Math.max(0, Math.min(1, value)) * 100}%`);
    box.append(bar);
  }
  box.setAttribute("aria-hidden", "true");
  return box;
}

function detail(s) {
  const box = element("div", "detail"), list = element("dl");
  for (const [name, value] of Object.entries(s.score ?? {})) {
    const meter = element("meter");
    meter.value = value ?? 0;
    meter.setAttribute("aria-label", name);
    const cell = element("dd");
    cell.append(meter);
    list.append(element("dt", "", name.replaceAll("_", " ")), cell, element("dd", "n", value === null ? "–" : number(value, 3)));
  }
  box.append(list, element("pre", "", JSON.stringify(s, null, 2)));
  return box;
}

function row(item) {
  const s = item.suggestion, line = element("li", "fresh"), summary = element("summary"), details = element("details");
  line.dataset.id = s.suggestion_id;
  line.dataset.kind = s.kind;
  line.dataset.status = s.status;
  const at = s.trigger?.occurred_at ?? s.trigger?.due_at, time = element("time", "", "–");
  if (at) {
    time.dateTime = new Date(at).toISOString();
    time.textContent = new Date(at).toLocaleTimeString("en-GB");
  }
  const plan = element("div", "plan", s.plan.replaceAll("_", " "));
  plan.style.setProperty("--tone", PLAN_TONES[s.plan] ?? "#8a8178");
  plan.append(element("small", "", `for the ${s.consumer}`));
  const who = element("div", "who");
  who.append(element("b", "", `${s.tenant_id} / ${s.session_id}`), ` after ${s.trigger.kind.replaceAll("_", " ")}`, element("small", "", origin(s)));
  const saved = element("div", "saved", s.estimate ? duration(s.estimate.saved_ms) : "–");
  saved.append(element("small", "", s.estimate ? `of ${duration(s.estimate.recompute_ms)}` : "no estimate"));
  const score = element("div", "score");
  score.append(bars(s.score ?? {}), element("span", "", number(s.score?.total ?? 0, 2)));
  summary.append(time, plan, who, saved, score);
  details.append(summary);
  details.addEventListener("toggle", () => { if (details.open && !details.querySelector(".detail")) details.append(detail(s)); });
  line.append(details);
  return line;
}

// A revocation or an outcome changes the line of its suggestion; where that is gone, nothing is shown.
function close(s) {
  const line = rows.get(s.suggestion_id);
  if (!line) return;
  if (s.reason === "erased") {
    // What was erased is shown no longer.
    rows.delete(s.suggestion_id);
    return line.remove();
  }
  line.classList.add("gone");
  line.classList.remove("fresh");
  line.dataset.status = s.status;
  const word = line.querySelector(".plan small");
  word.textContent = s.outcome ?? `revoked: ${(s.reason ?? "").replaceAll("_", " ")}`;
  word.className = s.outcome ?? "";
  rows.delete(s.suggestion_id);
}

function showFeed() {
  byId("offered").textContent = number(offered / 1000, offered < 100000 ? 1 : 0);
  byId("counts").textContent = `${number(recovery)} recovery, ${number(transfer)} transfer seen by this page`;
  if (latencies.length) {
    byId("p50").textContent = number(quantile(latencies, 0.5), 1);
    byId("p95").textContent = `${number(quantile(latencies, 0.95), 1)} ms for 95 % of the newest ${latencies.length}`;
  }
  const most = Math.max(...plans.values(), 1);
  byId("plans-empty").hidden = plans.size > 0;
  byId("plans").replaceChildren(...[...plans].sort((a, b) => b[1] - a[1]).map(([plan, n]) => {
    const item = element("li"), bar = element("span");
    item.style.setProperty("--tone", PLAN_TONES[plan] ?? "#8a8178");
    item.style.setProperty("--part", `${(n / most) * 100}%`);
    item.append(element("span", "plan", plan.replaceAll("_", " ")), element("b", "", number(n)), bar);
    return item;
  }));
  if (paused()) return;
  const feed = byId("feed");
  for (const item of waiting.splice(0)) {
    if (item.suggestion.status !== "open") {
      close(item.suggestion);
      continue;
    }
    const line = row(item);
    rows.set(item.suggestion.suggestion_id, line);
    feed.prepend(line);
  }
  while (feed.children.length > MAX_ROWS) {
    const oldest = feed.lastElementChild;
    rows.delete(oldest.dataset.id);
    oldest.remove();
  }
  filter();
}

function filter() {
  const wanted = byId("kind").value;
  let shown = 0;
  for (const line of byId("feed").children) {
    line.hidden = !(wanted === "all" || line.dataset.kind === wanted || line.dataset.status === wanted);
    shown += line.hidden ? 0 : 1;
  }
  byId("feed-empty").hidden = shown > 0;
}

class SignIn extends Error {}

// The token goes into a header and nowhere else, and is forgotten with the tab.
const TOKEN = "rekindle-token";

async function ask(path) {
  const token = sessionStorage.getItem(TOKEN), headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { cache: "no-store", headers, signal: AbortSignal.timeout(5000) });
  if (answer.status === 401 || answer.status === 403) throw new SignIn((await answer.json()).detail);
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer.json();
}

async function poll() {
  try {
    const [status, feed] = await Promise.all([ask("v1/status"), ask(`feed?after=${after}`)]);
    byId("trouble").hidden = byId("sign-in").hidden = true;
    if (process !== null && process !== status.started_at) {
      // Another process answers: its feed counts from the start again.
      [process, after, last] = [status.started_at, 0, null];
      return setTimeout(poll, 0);
    }
    [process, after] = [status.started_at, feed.last];
    showStatus(status);
    feed.items.forEach(take);
    showFeed();
  } catch (error) {
    byId("ready").className = "pill no";
    last = null;
    if (error instanceof SignIn) {
      // Asked for once: polling goes on when there is another token.
      byId("trouble").hidden = true;
      byId("sign-in").hidden = false;
      byId("sign-in-note").textContent = error.message;
      byId("ready").textContent = "not signed in";
      return;
    }
    byId("trouble").hidden = false;
    byId("trouble").textContent = `No answer from rekindle (${error.message}). Trying again; the figures below are the last ones known.`;
    byId("ready").textContent = "no answer";
  }
  setTimeout(poll, document.hidden ? 5000 : 1000);
}

byId("kind").addEventListener("change", filter);
byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, byId("token").value.trim());
  byId("token").value = "";
  byId("sign-in").hidden = true;
  poll();
});
byId("pause").addEventListener("click", () => {
  const now = !paused();
  byId("pause").setAttribute("aria-pressed", String(now));
  byId("pause").textContent = now ? "Resume" : "Pause";
  showFeed();
});
poll();
