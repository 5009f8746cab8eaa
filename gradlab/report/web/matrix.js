// The matrix of runs: where an arrow key leads.
"use strict";
const gradlabMatrix = (() => {
  const { all } = gradlabCommon;
  const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

  // The next cell in the key's direction, over gaps; null at the edge, or where it is no arrow key.
  function neighbour(button, key) {
    if (!(key in STEPS)) return null;
    const rows = all("#matrix tbody tr").map((line) => [...line.querySelectorAll("td")].map((td) => td.querySelector(".cell")));
    let y = rows.findIndex((cells) => cells.includes(button));
    let x = rows[y].indexOf(button);
    do {
      [y, x] = [y + STEPS[key][0], x + STEPS[key][1]];
    } while (rows[y] && x in rows[y] && !rows[y][x]);
    return (rows[y] && rows[y][x]) || null;
  }

  return { neighbour };
})();
