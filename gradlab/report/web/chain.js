// The product of the layers' factors, written out.
"use strict";
const gradlabChain = (() => {
  const { $, all, make } = gradlabCommon;

  // Before training or at the end: what was chosen, where the run has it.
  function choice({ chains }, wanted) {
    const when = chains[wanted] ? wanted : "start";
    for (const button of all("[data-when]")) {
      button.setAttribute("aria-pressed", String(button.dataset.when === when));
      button.disabled = !chains[button.dataset.when];
    }
    return when;
  }

  // Returns whether there is a product.
  function write(cell, when) {
    const chain = cell.chains[when];
    $("#chain").hidden = !chain;
    if (!chain) return false;
    const byLayer = cell.explained ? "The product that explains it" : "The gradient's way back, layer by layer";
    $("#chain-title").textContent = chain.by_block ? "The gradient's way back, block by block" : byLayer;
    for (const part of all("[data-way]")) part.hidden = (part.dataset.way === "block") !== chain.by_block;
    const parts = [];
    const factors = (steps) => steps.forEach(({ from, into, factor }) => {
      const span = make("span", factor, "factor");
      span.title = `from ${from} into ${into}`;
      parts.push(span, " × ");
    });
    factors(chain.head);
    if (chain.left_out.count) parts.push(make("span", `${chain.left_out.count} more of about ${chain.left_out.typical}`, "elided"), " × ");
    factors(chain.tail);
    parts.pop();
    parts.push(" = ", make("span", chain.total, "total"));
    const where = `\u2002times the gradient of ${chain.from} arrives at ${chain.to}, at iteration ${chain.iteration}`;
    $("#product").replaceChildren(...parts, make("span", where, "elided"));
    return true;
  }

  return { choice, write };
})();
