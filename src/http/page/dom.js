// Builds elements. Everything that comes from data is set as text, never as markup: ids may hold any visible character.

/** An element. `props`: `class`, `on` (listeners), `vars` (custom CSS properties), `prop` (DOM properties), attributes. */
export function h(tag, props, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name === "vars") for (const [key, to] of Object.entries(value)) made.style.setProperty(`--${key}`, to);
    else if (name === "prop") Object.assign(made, value);
    else made.setAttribute(name === "class" ? "class" : name, value === true ? "" : String(value));
  }
  add(made, children);
  return made;
}

function add(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) parent.append(child instanceof Node ? child : String(child));
  }
}

/** Puts others in the place of what an element holds; what has the focus keeps it, if it is there again. */
export function refill(parent, ...children) {
  const active = document.activeElement, within = active !== parent && parent.contains(active);
  const key = within ? active.dataset.key ?? active.getAttribute("href") ?? active.id : null;
  const opened = new Set([...parent.querySelectorAll("details[open][data-key]")].map((one) => one.dataset.key));
  parent.replaceChildren();
  add(parent, children);
  for (const one of parent.querySelectorAll("details[data-key]")) one.open = one.open || opened.has(one.dataset.key);
  if (!key) return;
  const same = [...parent.querySelectorAll("a, button, input, select, summary")];
  same.find((one) => (one.dataset.key ?? one.getAttribute("href") ?? one.id) === key)?.focus({ preventScroll: true });
}

/** A table. `columns`: `[heading, class, hidden heading]`; `rows`: rows of cells, the first one names the row. */
export function table(caption, columns, rows, { named = true } = {}) {
  const cell = (content, at) => {
    const [, className] = columns[at];
    return at === 0 && named ? h("th", { scope: "row", class: className }, content) : h("td", { class: className }, content);
  };
  const heads = columns.map(([text, className]) => h("th", { scope: "col", class: className }, text));
  const body = rows.map((row) => row instanceof Node ? row : h("tr", null, row.map(cell)));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h("table", null, h("caption", { class: "hidden" }, caption), h("thead", null, h("tr", null, heads)), h("tbody", null, body)));
}

/** Names with values: `[name, value]`, those without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

/** A part of a view under its own heading; `aside` stands at the heading's right. */
export function panel(title, aside, ...children) {
  const id = `panel-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return h("section", { class: "panel", "aria-labelledby": id },
    h("div", { class: "head" }, h("h2", { id }, title), aside), children);
}

/** The head of a view. */
export function heading(above, title, ...beside) {
  return h("div", { class: "title" }, above && h("p", { class: "above" }, above),
    h("div", { class: "line" }, h("h1", { tabindex: "-1" }, title), beside));
}

/** What is said where there is nothing. */
export function empty(what, why) {
  return h("p", { class: "empty" }, h("strong", null, what), why && ` ${why}`);
}

/** An id, with a button that copies it where the browser lets it. */
export function copyable(id) {
  const code = h("code", { class: "id" }, id);
  if (!navigator.clipboard) return code;
  const button = h("button", { type: "button", class: "copy", "aria-label": `Copy ${id}`, title: "Copy" }, "copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(id);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
  return h("span", { class: "copyable" }, code, button);
}
