"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = data.rows;
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  const BATCH = 60;

  // ---- text: nothing here ever becomes markup; the numbers and marks of what can't be seen stand out

  const marks = /\\\\|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|\u21e5|\u00b7+$/g;

  function write(parent, value) {
    const text = String(value);
    let end = 0;
    for (const match of text.matchAll(marks)) {
      if (match[0] === "\\\\") continue;
      if (match.index > end) parent.append(text.slice(end, match.index));
      parent.append(make("span", "ctl"));
      parent.lastChild.textContent = match[0];
      end = match.index + match[0].length;
    }
    if (end < text.length) parent.append(text.slice(end));
    return parent;
  }

  function make(tag, name, ...inside) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    for (const one of inside) typeof one === "object" ? made.append(one) : write(made, one);
    return made;
  }

  // ---- theme

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const themeButton = byId("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const nameTheme = () => (themeButton.textContent = isDark() ? "Light" : "Dark");
  try {
    const kept = localStorage.getItem("reconciler-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* a sandboxed page has no storage */ }
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("reconciler-theme", root.dataset.theme); } catch { /* as above */ }
    nameTheme();
  });
  dark.addEventListener("change", nameTheme);
  nameTheme();
  if (!rows.length) return;

  // ---- diffs

  const cell = (name, number, inside) =>
    [make("span", "no " + name, number || ""), make("code", name, ...inside)];

  const pieces = (list) => list.map((text, n) => (n % 2 ? make("mark", "", text) : make("span", "", text)));

  function lineOf(row) {
    const [sort, first, second, third, fourth] = row;
    const line = make("div", "line");
    if (sort === 0) line.append(...cell("same", first, [third]), ...cell("same right", second, [third]));
    if (sort === 1) line.append(...cell("went", first, pieces(second)), ...cell("came right", third, pieces(fourth)));
    if (sort === 2) line.append(...cell("went", first, [second]), ...cell("void right", "", []));
    if (sort === 3) line.append(...cell("void", "", []), ...cell("came right", first, [second]));
    return line;
  }

  function folded(row) {
    const [, first, second, texts] = row;
    const button = make("button", "fold", texts.length + " unchanged lines");
    button.type = "button";
    button.addEventListener("click", () => {
      button.replaceWith(...texts.map((text, n) => lineOf([0, first + n, second + n, text])));
    });
    return button;
  }

  function diffOf(part) {
    const sorts = new Set(part.r.map((row) => row[0]));
    const oneSided = !sorts.has(0) && !sorts.has(1) && !sorts.has(4) && sorts.size === 1;
    const box = make("div", "diff" + (oneSided ? " single" : "") + (part.n ? " numbered" : ""));
    for (const row of part.r) box.append(row[0] === 4 ? folded(row) : lineOf(row));
    return box;
  }

  const SYMBOLS = { add: "+", remove: "-", change: "~", secret: "~", "another-secret": "~" };

  // a value that came or went and takes one line stands beside its name
  const isShort = (part) => !part.n && part.r.length === 1 && (part.r[0][0] === 2 || part.r[0][0] === 3);

  function shortOf(field, part) {
    const name = part.p ? field.f + (part.p.startsWith("[") ? "" : ".") + part.p : field.f;
    const [sort, , text] = part.r[0];
    return make("div", "short " + (sort === 2 ? "went" : "came"),
      make("span", "op " + (sort === 2 ? "remove" : "add"), sort === 2 ? "-" : "+"),
      make("code", "name", name), make("code", "value", text));
  }

  function fieldOf(field) {
    if (!field.c && !field.x && !field.at && field.d.every(isShort)) {
      return make("div", "shorts", ...field.d.map((part) => shortOf(field, part)));
    }
    const head = make("div", "field-name", make("span", "op " + field.op, SYMBOLS[field.op] || ""), make("code", "", field.f));
    if (field.c) head.append(make("span", "tag cause", data.causes[field.c] || field.c));
    if (field.x) head.append(make("span", "tag forces", field.x));
    if (field.at) head.append(make("span", "at", field.at));
    const box = make("div", "field", head);
    for (const part of field.d) {
      if (isShort(part)) {
        box.append(shortOf(field, part));
        continue;
      }
      if (part.p) box.append(make("div", "key", part.p));
      box.append(diffOf(part));
    }
    return box;
  }

  function bodyOf(row) {
    const body = make("div", "inside");
    for (const reason of row.stop) body.append(make("p", "stop", "An apply would be refused: " + reason));
    const why = make("dl", "why");
    for (const [term, told] of row.why) why.append(make("div", "", make("dt", "", term), make("dd", "", told)));
    body.append(why);
    body.append(...row.f.filter((field) => !field.s).map(fieldOf));
    const defaults = row.f.filter((field) => field.s);
    if (defaults.length) {
      const more = make("details", "defaults", make("summary", "", defaults.length + " empty or filled in by defaults"));
      more.append(...defaults.map(fieldOf));
      body.append(more);
    }
    if (row.un) body.append(make("p", "muted", row.un + (row.un === 1 ? " unchanged field" : " unchanged fields")));
    return body;
  }

  // ---- rows: made when they are first shown, kept so that what is open stays open

  const made = new Map();
  const wordsOf = (act) => data.actions[act] || ["", act];

  function elementOf(row) {
    if (made.has(row)) return made.get(row);
    const [symbol, said] = wordsOf(row.act);
    const address = make("span", "address", make("span", "path", row.t + "/" + row.k + "/"), make("b", "", row.n));
    const head = make("summary", "", make("span", "symbol", symbol), address, make("span", "said", said));
    const tags = make("span", "tags");
    if (row.same) tags.append(make("span", "tag same", row.same.length + " tenants"));
    if (row.stop.length) tags.append(make("span", "tag stopped", "blocked"));
    for (const risk of row.risks) tags.append(make("span", "tag risk " + (data.levels[risk] || ""), data.risks[risk] || risk));
    if (row.c !== "configuration" && !row.act.endsWith("outside")) {
      tags.append(make("span", "tag cause", row.c === "both" ? "outside and configuration" : row.c === "tool" ? "tool" : "outside"));
    }
    if (tags.childNodes.length) head.append(tags);
    const box = make("details", "card " + row.act.replaceAll(" ", "-"), head);
    box.addEventListener("toggle", () => fill(box, row));
    made.set(row, box);
    return box;
  }

  function fill(box, row) {
    if (box.open && box.childNodes.length === 1) box.append(bodyOf(row));
  }

  function setOpen(row, open) {
    const box = elementOf(row);
    box.open = open;
    fill(box, row);
  }

  // ---- the list: the first rows at once, more as they come into view

  const list = byId("changes");
  const end = make("div", "end");
  let matching = rows;
  let shownCount = 0;
  let allOpen = rows.length <= 12;

  function more(count) {
    const stop = Math.min(matching.length, shownCount + count);
    const batch = [];
    for (; shownCount < stop; shownCount++) {
      const row = matching[shownCount];
      if (!shownCount || matching[shownCount - 1].g !== row.g) batch.push(heading(row.g));
      const box = elementOf(row);
      if (allOpen) setOpen(row, true);
      batch.push(box);
    }
    end.before(...batch);
  }

  // a row of many tenants counts as many changes
  const sizeOf = (some) => some.reduce((sum, row) => sum + (row.same ? row.same.length : 1), 0);

  function heading(group) {
    const count = sizeOf(matching.filter((row) => row.g === group));
    return make("h2", "group", group, make("span", "muted", " " + count));
  }

  function show() {
    shownCount = 0;
    list.replaceChildren(end);
    if (!matching.length) list.prepend(make("p", "calm", "Nothing matches these filters."));
    more(BATCH);
    byId("found").textContent =
      matching.length === rows.length ? sizeOf(rows) + " in all" : sizeOf(matching) + " of " + sizeOf(rows);
  }

  new IntersectionObserver((seen) => {
    if (seen.some((one) => one.isIntersecting) && shownCount < matching.length) {
      more(BATCH);
      watch();
    }
  }, { rootMargin: "1200px" }).observe(end);

  // an observer tells of changes only: where the end is still in view after a batch, it has to look again
  function watch() {
    requestAnimationFrame(() => {
      if (shownCount < matching.length && end.getBoundingClientRect().top < innerHeight + 1200) {
        more(BATCH);
        watch();
      }
    });
  }

  // ---- filters, kept in the address's fragment so that a view can be sent to somebody

  const PICKS = {
    tenant: ["All tenants", (row) => row.same ? row.same.map((one) => one.split("/")[0]) : [row.t], (value) => value],
    kind: ["All kinds", (row) => [row.k], (value) => value],
    action: ["All actions", (row) => [row.act], (value) => (wordsOf(value)[0] + " " + value).trim()],
    risk: ["Any risk", (row) => row.risks, (value) => (data.risks[value] || value) + " · " + data.levels[value]],
    cause: ["Anybody's doing", (row) => [row.c], (value) => value],
  };
  const inputs = ["q", ...Object.keys(PICKS)];

  for (const [id, [all, valuesOf, nameOf]] of Object.entries(PICKS)) {
    const counts = new Map();
    for (const row of rows) for (const value of valuesOf(row)) counts.set(value, (counts.get(value) || 0) + 1);
    const order = id === "risk" ? Object.keys(data.risks).filter((risk) => counts.has(risk)) : [...counts.keys()].sort();
    const select = byId(id);
    select.append(new Option(all, ""));
    for (const value of order) select.append(new Option(nameOf(value) + " (" + counts.get(value) + ")", value));
    select.hidden = order.length < (id === "risk" ? 1 : 2);
  }

  const hay = new Map();
  function hayOf(row) {
    if (!hay.has(row)) {
      const texts = [row.a, row.act, row.g, wordsOf(row.act)[1], ...row.risks, ...row.stop];
      for (const risk of row.risks) texts.push(data.risks[risk] || "");
      for (const pair of row.why) texts.push(pair[1]);
      for (const field of row.f) {
        texts.push(field.f, field.at || "");
        for (const part of field.d) {
          texts.push(part.p);
          for (const line of part.r) {
            for (const one of line) {
              if (typeof one === "string") texts.push(one);
              else if (typeof one === "object") texts.push(one.join(line[0] === 4 ? "\n" : ""));
            }
          }
        }
      }
      hay.set(row, texts.join("\n").toLowerCase());
    }
    return hay.get(row);
  }

  function filter() {
    const words = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    const picked = Object.keys(PICKS).filter((id) => byId(id).value);
    matching = rows.filter(
      (row) =>
        picked.every((id) => PICKS[id][1](row).includes(byId(id).value)) &&
        words.every((word) => hayOf(row).includes(word)),
    );
    show();
    const state = new URLSearchParams(inputs.filter((id) => byId(id).value).map((id) => [id, byId(id).value]));
    try { history.replaceState(null, "", state.size ? "#" + state : location.pathname + location.search); } catch { /* data: has no history */ }
  }

  function fromFragment() {
    if (location.hash === "#changes") return;
    const state = new URLSearchParams(location.hash.slice(1));
    for (const id of inputs) {
      byId(id).value = state.get(id) || "";
      if (byId(id).value !== (state.get(id) || "")) byId(id).value = "";
    }
    filter();
    if (state.has("q")) {
      const exact = matching.find((row) => row.a === state.get("q") || (row.same || []).includes(state.get("q")));
      if (exact) {
        setOpen(exact, true);
        elementOf(exact).scrollIntoView({ block: "center" });
      }
    }
  }

  function unfold(open) {
    allOpen = open;
    for (const row of matching.slice(0, shownCount)) setOpen(row, open);
    byId("unfold").textContent = open ? "Collapse all" : "Expand all";
  }

  let waiting = 0;
  byId("q").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 80);
  });
  for (const id of Object.keys(PICKS)) byId(id).addEventListener("change", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("unfold").addEventListener("click", () => unfold(!allOpen));
  addEventListener("hashchange", fromFragment);
  addEventListener("beforeprint", () => more(matching.length));

  function step(by) {
    const heads = [...list.querySelectorAll(".card > summary")];
    const at = heads.indexOf(document.activeElement);
    const next = heads[Math.max(0, Math.min(heads.length - 1, at + by))];
    if (next) next.focus();
    if (at + by >= heads.length - 5) more(BATCH);
  }

  addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key === "Escape" && (typing || matching !== rows)) {
      for (const id of inputs) byId(id).value = "";
      filter();
      if (typing) event.target.blur();
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      "/": () => byId("q").focus(),
      j: () => step(1),
      k: () => step(-1),
      e: () => unfold(!allOpen),
    };
    if (keys[event.key]) {
      keys[event.key]();
      event.preventDefault();
    }
  });

  byId("filters").hidden = false;
  byId("unfold").textContent = allOpen ? "Collapse all" : "Expand all";
  location.hash.length > 1 && location.hash !== "#changes" ? fromFragment() : show();
})();
