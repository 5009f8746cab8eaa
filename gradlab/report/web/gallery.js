// A page of links needs no more than its colours.
"use strict";
const gradlabPage = {
  start() {
    gradlabCommon.themes();
    document.documentElement.dataset.ready = "true";
  },
};
