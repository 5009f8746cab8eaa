// The matrix of runs: where an arrow key leads, and which two axes of a sweep it shows.
"use strict";
const gradlabMatrix = (() => {
  const { $, all, make } = gradlabCommon;
  const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  const buttons = new Map(); // by the cell's id: they move from place to place

  // The next cell in the key's direction, over gaps; null at the edge, or where it is no arrow key.
  function neighbour(button, key) {
    if (!(key in STEPS)) return null;
    const rows = all("#matrix tbody:not([hidden]) tr").map((line) => [...line.querySelectorAll("td")].map((td) => td.querySelector(".cell")));
    let y = rows.findIndex((cells) => cells.includes(button));
    let x = rows[y].indexOf(button);
    do {
      [y, x] = [y + STEPS[key][0], x + STEPS[key][1]];
    } while (rows[y] && x in rows[y] && !rows[y][x]);
    return (rows[y] && rows[y][x]) || null;
  }

  const header = (text, scope) => Object.assign(make("th", text), { scope });

  const axisOf = (matrix, name) => matrix.axes.find((each) => each.axis === name);

  // One line for each value on the axis of rows, of the cells that share all other values of a place.
  function linesOf(cells, place, rows, columns) {
    const find = (wanted) => cells.find((each) => Object.entries(wanted).every(([name, value]) => each.place[name] === value));
    return rows.values.map((value) => {
      const line = make("tr");
      const label = header(undefined, "row");
      label.append(make("span", value));
      line.append(label, ...columns.values.map((other) => {
        const td = make("td");
        const found = find({ ...place, [rows.axis]: value, [columns.axis]: other });
        td.append(found ? buttons.get(found.id) : make("span", "not trained", "none"));
        return td;
      }));
      return line;
    });
  }

  // Put parts, each with a label or none, in the place of what the table shows.
  function layOut(parts, rows, columns) {
    const table = $("#matrix");
    const head = make("tr");
    head.append(header(`${rows.label} by ${columns.label}`, "col"), ...columns.values.map((value) => header(value, "col")));
    const bodies = parts.map(({ label, lines }) => {
      const body = make("tbody");
      if (label) {
        const line = make("tr", undefined, "slice");
        line.append(Object.assign(header(label, "rowgroup"), { colSpan: columns.values.length + 1 }));
        body.append(line);
      }
      body.append(...lines);
      return body;
    });
    table.querySelector("thead").replaceChildren(head);
    for (const old of all("#matrix tbody")) old.remove();
    table.append(...bodies);
    table.style.setProperty("--columns", columns.values.length);
  }

  // Lay the slice out that holds a cell: `shown` names the axes of rows and columns, selectors the others.
  function arrange({ matrix, cells }, cell, shown) {
    if (!matrix?.axes.length) return;
    const focused = document.activeElement; // a button that moves loses the focus
    for (const button of all("#matrix .cell")) buttons.set(button.dataset.id, button);
    const [rows, columns] = [axisOf(matrix, shown.rows), axisOf(matrix, shown.columns)];
    layOut([{ lines: linesOf(cells, cell.place, rows, columns) }], rows, columns);
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    for (const [name, select] of [["rows", $("#rows")], ["columns", $("#columns")]]) select.value = shown[name];
    for (const chosen of all("[data-axis]")) {
      chosen.value = cell.place[chosen.dataset.axis];
      chosen.closest("label").hidden = [rows.axis, columns.axis].includes(chosen.dataset.axis);
    }
  }

  // Lay all slices out, one below the other: paper has no selectors.
  function spread({ matrix, cells }, shown) {
    if (!matrix?.axes.length) return;
    const [rows, columns] = [axisOf(matrix, shown.rows), axisOf(matrix, shown.columns)];
    const others = matrix.axes.filter((each) => each !== rows && each !== columns);
    const parts = new Map();
    for (const { place } of cells) {
      const label = others.map(({ axis, label: word }) => `${word} ${place[axis]}`).join(", ");
      if (!parts.has(label)) parts.set(label, { label, lines: linesOf(cells, place, rows, columns) });
    }
    layOut([...parts.values()], rows, columns);
  }

  // The two axes after one was chosen for rows or columns: the other gives way where it was the same.
  function chosenAxes(shown, side, axis) {
    const other = side === "rows" ? "columns" : "rows";
    return shown[other] === axis ? { [side]: axis, [other]: shown[side] } : { ...shown, [side]: axis };
  }

  // The axes that the address names, where there are such, else the page's own.
  function axesOf(matrix, words) {
    const { axes = [], on_rows, on_columns } = matrix || {};
    const named = ["rows", "columns"].filter((side) => axes.some(({ axis }) => axis === words.get(side)));
    return named.reduce((shown, side) => chosenAxes(shown, side, words.get(side)), { rows: on_rows, columns: on_columns });
  }

  // The cell in the same row and column where the selectors are now.
  function atSelectors(cell, cells) {
    const wanted = { ...cell.place };
    for (const chosen of all("[data-axis]")) wanted[chosen.dataset.axis] = chosen.value;
    return cells.find(({ place }) => Object.entries(wanted).every(([axis, value]) => place[axis] === value));
  }

  return { neighbour, arrange, spread, chosenAxes, axesOf, atSelectors };
})();
