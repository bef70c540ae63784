// What the browser does by itself: pages, the address, folded parts, tips on charts, a lost connection.
(function () {
  "use strict";

  // The address is the view: language and page from here, the rest from the server.
  let filters = null;

  function address(changes) {
    const known = new URLSearchParams(filters === null ? location.search : filters);
    const url = new URLSearchParams();
    const lang = changes.lang || document.documentElement.lang;
    const page = changes.page || currentPage();
    url.set("lang", lang);
    if (page !== "overview") url.set("page", page);
    known.forEach(function (value, name) {
      if (name !== "lang" && name !== "page" && value !== "") url.set(name, value);
    });
    return location.pathname + "?" + url.toString().replace(/%2C/g, ",");
  }

  function currentPage() {
    const shown = document.querySelector(".page:not([hidden])");
    return shown ? shown.id.replace("page-", "") : "overview";
  }

  function refreshLinks() {
    const link = document.getElementById("language");
    link.href = address({ lang: link.hreflang });
    document.querySelectorAll("[data-page]").forEach(function (one) {
      one.href = address({ page: one.dataset.page });
    });
  }

  function show(page) {
    document.querySelectorAll(".page").forEach(function (one) { one.hidden = one.id !== "page-" + page; });
    document.title = document.getElementById("page-" + page).dataset.title;
    document.querySelectorAll("[data-page]").forEach(function (one) {
      if (one.dataset.page === page) one.setAttribute("aria-current", "page");
      else one.removeAttribute("aria-current");
    });
    $("#page-" + page).trigger("shown"); // what was folded away is computed when it is seen
    refreshLinks();
  }

  document.addEventListener("click", function (event) {
    const link = event.target.closest && event.target.closest("[data-page]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.dataset.page);
    history.pushState(null, "", address({}));
    document.querySelector(".page:not([hidden]) h1").focus({ preventScroll: true });
    window.scrollTo(0, 0);
  });

  window.addEventListener("popstate", function () {
    const page = new URLSearchParams(location.search).get("page") || "overview";
    if (document.getElementById("page-" + page)) show(page);
  });

  document.addEventListener("toggle", function (event) {
    if (event.target.open) $(event.target).trigger("shown");
  }, true);

  // How many boxes are ticked, beside each folded list.
  function countChoices() {
    document.querySelectorAll(".choice").forEach(function (choice) {
      const ticked = choice.querySelectorAll("input:checked").length;
      const all = choice.dataset.all, some = choice.dataset.some;
      choice.classList.toggle("has-choice", ticked > 0);
      choice.querySelector(".choice-state").textContent = ticked === 0 ? all : some.replace("{n}", ticked);
    });
  }
  document.addEventListener("change", countChoices);

  // A short text beside the pointer; the table says the same to everyone else.
  let tip = null;
  document.addEventListener("pointermove", function (event) {
    const mark = event.target.closest && event.target.closest("[data-tip]");
    if (!mark) { if (tip) { tip.remove(); tip = null; } return; }
    if (!tip) { tip = document.createElement("div"); tip.className = "tip"; tip.setAttribute("aria-hidden", "true"); document.body.append(tip); }
    tip.textContent = mark.dataset.tip;
    const right = Math.min(event.pageX + 14, window.scrollX + document.documentElement.clientWidth - tip.offsetWidth - 8);
    tip.style.left = right + "px";
    tip.style.top = (event.pageY + 16) + "px";
  });

  document.addEventListener("DOMContentLoaded", function () {
    if (window.matchMedia("(max-width: 60rem)").matches) document.querySelector(".filters-fold").open = false;
    countChoices();
    Shiny.addCustomMessageHandler("iidi-filters", function (query) {
      filters = query;
      history.replaceState(null, "", address({}));
      refreshLinks();
      countChoices();
    });
    $(document).on("shiny:error", function (event) { // Shiny says it in English only
      if (event.error && event.error.message) event.error.message = document.getElementById("main").dataset.failed;
    });
    $(document).on("shiny:disconnected", function () { document.getElementById("lost").hidden = false; });
    $(document).on("shiny:sessioninitialized", function () {
      const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
      if (scale !== 1) Shiny.setInputValue("text_scale", scale); // figures grow with the text around them
    });
    $(document).on("shiny:connected", function () { document.getElementById("lost").hidden = true; });
  });
})();
