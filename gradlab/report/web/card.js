// The words on one net: its findings, what they explain and what to try; and how it differs from another one.
"use strict";
const gradlabCard = (() => {
  const { $, make, copied } = gradlabCommon;
  const CODE = /^\w+[.(\[]\w/; // "blocks.0.up": a name stays as it is
  const sentence = (text) => (CODE.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1));
  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

  function list(kind, items) {
    const element = make(kind);
    element.append(...items.map((item) => make("li", item)));
    return element;
  }

  // Words with the code in them as code, and a button that copies it.
  function remedies(items) {
    const element = make("ol");
    for (const { words, code, evidence } of items) {
      const item = make("li");
      item.append(...words.map((part, k) => make(part.code ? "code" : "span", k || part.code ? part.text : sentence(part.text))));
      const unseen = code && !words.some((part) => part.code); // what is copied is seen
      if (unseen) item.append(": ", make("code", code.includes("\n") ? `${code.split("\n")[0]} …` : code));
      if (code) {
        const copier = button("Copy", "quiet small", ({ currentTarget }) => copied(currentTarget, code));
        copier.setAttribute("aria-label", `Copy ${code.split("\n")[0]}`); // a page has several
        item.append(" ", copier);
      }
      if (evidence) item.append(make("span", ` ${sentence(evidence)}.`, "hint"));
      element.append(item);
    }
    return element;
  }

  function button(text, className, onClick) {
    const element = Object.assign(make("button", text, className), { type: "button" });
    element.addEventListener("click", onClick);
    return element;
  }

  function where({ layers, iterations }, names) {
    const called = names[layers[0] - 1] || `layer ${layers[0]}`;
    const place = layers.length ? `${called}, ` : "";
    return `${place}iteration ${iterations[0]}`;
  }

  function finding(found, names, go) {
    const article = make("article", undefined, "finding");
    const heading = make("h3", sentence(found.name));
    const seeds = found.total > 1 ? `, ${found.hit} of ${found.total} seeds` : "";
    const [from, to] = found.iterations;
    const when = from === to ? `iteration ${from}` : `iterations ${from} to ${to}`;
    heading.append(make("span", ` ${found.rule}, ${found.severity}${seeds}, ${when}`, "tag"));
    const [why, then] = [make("div"), make("div")];
    why.append(make("p", found.message));
    if (found.cause) why.append(make("p", "Why", "label"), make("p", `${sentence(found.cause)}.`));
    const sure = `${sentence(found.confidence)} confidence`;
    if (found.evidence) why.append(make("p", "How sure", "label"), make("p", `${sure}: ${found.evidence}`));
    else why.append(make("p", `${sure}.`, "hint"));
    why.append(button(`Show it: ${where(found, names)}`, "quiet go", () => go(found)));
    if (found.remedies.length) then.append(make("p", "What to try", "label"), remedies(found.remedies));
    article.append(heading, why, then);
    if (found.consequences.length) {
      const [also, seen] = [make("div", undefined, "also"), make("ul")];
      for (const each of found.consequences) {
        const item = make("li");
        item.append(button(`${sentence(each.name)} (${each.rule})`, "link", () => go(each)), `: ${each.message}`);
        seen.append(item);
      }
      also.append(make("p", "Also seen, because of it", "label"), seen);
      article.append(also);
    }
    return article;
  }

  // `go(finding)` moves the pictures to it; `save(cell)` gives its findings as JSON.
  function fill(cell, alone, go, save) {
    const parts = [];
    if (!alone && !cell.findings.length) parts.push(make("p", cell.sentence, "answer")); // else the findings say it
    parts.push(...cell.findings.map((found) => finding(found, cell.layers, go)));
    for (const remark of cell.remarks) parts.push(make("p", "Remark", "label"), make("p", remark));
    const known = cell.accuracies.filter((value) => value !== null).map((value) => `${Math.round(100 * value)}`);
    const { iterations, seeds, layers } = cell.shape;
    const each = known.length ? ` Accuracy of the seeds, in per cent: ${known.join(", ")}.` : "";
    const missing = cell.accuracies.length - known.length;
    const ended = known.length && missing ? ` ${missing} of ${seeds} ended without one.` : "";
    const size = `${count(layers, "layer")}, ${count(seeds, "seed")}, ${count(iterations, "iteration")}`;
    const foot = make("div", undefined, "bar");
    foot.append(make("p", `${sentence(cell.outcome)}; ${size}.${each}${ended}`, "hint"));
    foot.append(button("Findings as JSON", "quiet json", () => save(cell)));
    parts.push(foot);
    $("#card").replaceChildren(...parts);
  }

  function row(kind, texts) {
    const line = make("tr");
    line.append(...texts.map((text) => make(kind, text)));
    return line;
  }

  // What the configurations of two nets differ in.
  function compare(cell, other) {
    const box = $("#against");
    if (!box) return;
    box.hidden = !other;
    if (!other) return;
    const names = [...new Set([...Object.keys(cell.config), ...Object.keys(other.config)])];
    const rows = names.map((name) => [name, cell.config[name] ?? "–", other.config[name] ?? "–"]).filter(([, a, b]) => a !== b);
    $("#against-title").textContent = `Beside it: ${other.name}`;
    $("#against-said").textContent = other.sentence;
    if (!rows.length) rows.push(["configuration", "the same", "the same"]);
    $("#differences").replaceChildren(row("th", ["differs in", cell.name, other.name]), ...rows.map((texts) => row("td", texts)));
  }

  // The layers in numbers: of a net with blocks folded, one line a block.
  function table(cell) {
    const { columns, rows } = cell.table;
    $("#layers-listed").hidden = !rows.length;
    const groups = Map.groupBy ? Map.groupBy(rows, ({ block }) => block) : grouped(rows);
    const head = () => { const line = make("thead"); line.append(row("th", columns)); return line; };
    const sheet = (lines) => {
      const element = make("table", undefined, "plain numbers");
      const body = make("tbody");
      body.append(...lines.map(({ values }) => row("td", values)));
      element.append(head(), body);
      return element;
    };
    const parts = [...groups].map(([block, lines]) => {
      if (!block) return sheet(lines);
      const fold = make("details", undefined, "fold");
      fold.append(make("summary", `${block}: ${count(lines.length, "layer")}${lines[0].range}`), sheet(lines));
      return fold;
    });
    $("#layer-table").replaceChildren(...parts);
  }

  // The modules by the iterations that lead to the first NaN.
  function way(cell) {
    const { columns, rows } = cell.way;
    $("#way").hidden = !rows.length;
    const element = make("table", undefined, "plain numbers");
    const head = make("thead");
    head.append(row("th", columns));
    const body = make("tbody");
    body.append(...rows.map((texts) => row("td", texts)));
    element.append(head, body);
    $("#way-table").replaceChildren(element);
  }

  function grouped(rows) {
    const groups = new Map();
    for (const each of rows) groups.set(each.block, [...(groups.get(each.block) || []), each]);
    return groups;
  }

  return { fill, compare, table, way };
})();
