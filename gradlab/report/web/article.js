// Draws an article's figures, and plays those that have frames.
"use strict";
const gradlabPage = (() => {
  const { $, all, draw, framed, player, csv, start } = gradlabCommon;
  let figures = {};

  function begin(data) {
    figures = data.figures;
    if (data.explore) gradlabExplore.begin(data.explore);
    for (const bar of all("[data-replay]")) {
      const figure = figures[bar.dataset.replay];
      const place = $(`[data-figure="${bar.dataset.replay}"]`);
      const frames = figure.frames || [];
      // The figure itself is the last moment: what a still page, or a printed one, should show.
      player(bar, String, (index) => { if (window.Plotly) draw(place, framed(figure, index)); }).load(frames, frames.length - 1);
    }
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-csv]");
      if (button) csv([$(`[data-figure="${button.dataset.csv}"]`)], `${data.name}-${button.dataset.csv}`);
    });
  }

  function show() {
    gradlabExplore.showAll();
    for (const place of all("[data-figure]")) draw(place, figures[place.dataset.figure]);
  }

  return { start: () => start(begin, show) };
})();
