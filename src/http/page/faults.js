// Shows why there is no answer, and asks again when that makes sense.
import { Fault } from "./api.js";
import { h } from "./dom.js";
import { number, plural } from "./words.js";

/** A fault in plain words. `again` asks once more; it is called by itself where the service says when. */
export function shown(error, again, signal) {
  if (!(error instanceof Fault)) {
    console.error(error);
    return note("This view has failed", "The page could not show what it was told.", [], again);
  }
  const { status, problem, retrySeconds } = error;
  const details = [error.message && sentence(error.message)];
  if (problem.partition !== undefined) details.push(`Partition ${problem.partition}.`);
  if (problem.progress !== undefined) details.push(`${number(problem.progress * 100)} % of it is restored.`);
  if (problem.lag !== undefined && problem.lag !== null) details.push(`${plural(problem.lag, "record")} to go.`);
  const waits = status === 0 || status === 429 || status === 503;
  const box = note(error.title, error.meaning, details.filter(Boolean), status === 401 ? null : again);
  if (waits && retrySeconds) countDown(box, retrySeconds, again, signal);
  return box;
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

function note(title, meaning, details, again) {
  return h("section", { class: "panel fault", role: "alert" },
    h("h2", null, title), meaning && h("p", null, meaning),
    details.length > 0 && h("p", { class: "sub" }, details.join(" ")),
    again && h("button", { type: "button", on: { click: again } }, "Ask again"));
}

function countDown(box, seconds, again, signal) {
  const left = h("p", { class: "sub", "aria-live": "off" });
  box.append(left);
  const tick = () => {
    if (seconds === 0) return again();
    left.textContent = `It is asked again in ${seconds} s.`;
    seconds -= 1;
    const timer = setTimeout(tick, 1000);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  };
  tick();
}
