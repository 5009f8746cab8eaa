// The matrix of runs: where an arrow key leads, and which slice of a sweep is shown.
"use strict";
const gradlabMatrix = (() => {
  const { all } = gradlabCommon;
  const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

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

  // Show the slice that holds a cell, and its values in the selectors.
  function showSlice(cell) {
    const bodies = all("#matrix tbody");
    if (bodies.length < 2) return;
    for (const body of bodies) body.hidden = body.dataset.slice !== cell.slice;
    for (const chosen of all("[data-axis]")) chosen.value = cell.place[chosen.dataset.axis];
  }

  // The cell in the same row and column where the selectors are now.
  function atSelectors(cell, cells) {
    const wanted = { ...cell.place };
    for (const chosen of all("[data-axis]")) wanted[chosen.dataset.axis] = chosen.value;
    return cells.find(({ place }) => Object.entries(wanted).every(([axis, value]) => place[axis] === value));
  }

  return { neighbour, showSlice, atSelectors };
})();
