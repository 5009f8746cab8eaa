// Draws an article's figures, and plays those that have frames.
"use strict";
const gradlabPage = (() => {
  const { $, all, draw, framed, player, csv, start } = gradlabCommon;
  let figures = {};

  function begin(data) {
    figures = data.figures;
    for (const bar of all("[data-replay]")) {
      const figure = figures[bar.dataset.replay];
      const place = $(`[data-figure="${bar.dataset.replay}"]`);
      player(bar, String, (index) => { if (window.Plotly) draw(place, framed(figure, index)); }).load(figure.frames || []);
    }
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-csv]");
      if (button) csv($(`[data-figure="${button.dataset.csv}"]`), `${data.name}-${button.dataset.csv}`);
    });
  }

  return { start: () => start(begin, () => Promise.all(all(".figure").map((place) => draw(place, figures[place.dataset.figure])))) };
})();
