// Draws the pictures of the rules' pages, in the colours of the theme; see _site/rules.py.
"use strict";
const home = new URL("../plotly.min.js", document.currentScript.src);
function draw(figure) {
  const spec = JSON.parse(figure.dataset.figure);
  const style = getComputedStyle(document.body);
  const ink = style.getPropertyValue("--color-foreground-primary") || style.color;
  const line = style.getPropertyValue("--color-background-border") || "#8886";
  const axes = Object.keys(spec.layout).filter((key) => /^[xy]axis/.test(key));
  for (const key of axes) {
    spec.layout[key] = { ...spec.layout[key], gridcolor: line, linecolor: line, zerolinecolor: line };
  }
  Object.assign(spec.layout, { paper_bgcolor: "transparent", plot_bgcolor: "transparent", autosize: true });
  spec.layout.font = { ...spec.layout.font, color: ink };
  Plotly.react(figure.firstElementChild, spec.data, spec.layout, { displaylogo: false, responsive: true });
}
function drawAll() { document.querySelectorAll("figure.example").forEach(draw); }
window.addEventListener("load", () => {
  if (!document.querySelector("figure.example")) return;
  const script = document.createElement("script");
  script.src = home;
  script.onload = drawAll;
  document.head.append(script);
  new MutationObserver(drawAll).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });
});
