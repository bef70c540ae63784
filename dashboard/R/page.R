# The page as it is sent: what needs no server session is in it already.

PAGES <- c("overview", "data", "methods")

# Nothing may come from, or go to, another host. In the page, because this Shiny sends no headers of ours; Shiny's own
# pages need inline scripts and styles, and its script evaluates text.
CONTENT_POLICY <- paste(
  "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;",
  "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'"
)

dashboard_page <- function(request, store, settings, theme) {
  if (request$PATH_INFO %in% c("/livez", "/readyz")) return(shiny::httpResponse(200L, "text/plain", "ok"))
  if (request$PATH_INFO != "/") return(shiny::httpResponse(404L, "text/plain", "not found"))
  query <- shiny::parseQueryString(request$QUERY_STRING %||% "")
  lang <- language_of(query, request$HTTP_ACCEPT_LANGUAGE)
  state <- shiny::isolate(store$state())
  words <- words_in(lang, (state$table %||% empty_table())$dictionary)
  filters <- read_filters(query, words$dictionary)
  view <- read_view(query)
  page <- if (isTRUE(query$page %in% PAGES)) query$page else PAGES[1]
  bslib::page(
    title = page_title(page, words), lang = lang, theme = theme,
    htmltools::tags$head(
      htmltools::tags$meta(`http-equiv` = "Content-Security-Policy", content = CONTENT_POLICY),
      htmltools::tags$meta(name = "referrer", content = "no-referrer"),
      htmltools::tags$meta(name = "viewport", content = "width=device-width, initial-scale=1"),
      htmltools::tags$meta(name = "description", content = words$t("subtitle")),
      htmltools::tags$link(rel = "icon", href = "data:,"),
      htmltools::tags$link(rel = "stylesheet", href = paste0("assets/dashboard.css?v=", settings$version)),
      htmltools::tags$script(src = paste0("assets/dashboard.js?v=", settings$version), defer = NA)
    ),
    page_header(words, filters, view, page, settings),
    htmltools::tags$div(
      class = "layout",
      filter_panel(filters, words),
      page_main(state, words, filters, view, page)
    ),
    page_footer(words, settings)
  )
}

# What the browser calls a page.
page_title <- function(name, words) paste(words$t(paste0("page.", name)), words$t("title"), sep = " \u2013 ")

empty_table <- function() {
  read_answer('{"data": [], "sources": [], "margins": [], "dictionary": {"age_groups": [], "vaccines": [], "jurisdictions": []}}')
}

page_header <- function(words, filters, view, page, settings) {
  tags <- htmltools::tags
  t <- words$t
  other <- setdiff(LANGUAGES, words$lang)
  link <- function(name) {
    tags$a(
      href = write_query(filters, c(list(lang = words$lang, page = name), unusual_view(view))), `data-page` = name, class = "page-link-own",
      `aria-current` = if (name == page) "page", t(paste0("page.", name))
    )
  }
  htmltools::tagList(
    tags$a(class = "skip", href = "#main", t("skip")),
    tags$header(
      class = "top",
      if (settings$data_kind == "synthetic") tags$p(class = "synthetic", t("synthetic")),
      tags$div(
        class = "top-row",
        tags$div(tags$p(class = "title", t("title")), tags$p(class = "subtitle", t("subtitle"))),
        tags$a(id = "language", class = "language", href = write_query(filters, c(list(lang = other, page = page), unusual_view(view))),
               hreflang = other, lang = other, t("other_language"))
      ),
      tags$nav(`aria-label` = t("pages"), class = "page-nav", lapply(PAGES, link))
    )
  )
}

page_main <- function(state, words, filters, view, page) {
  tags <- htmltools::tags
  t <- words$t
  now <- Sys.time()
  section <- function(name, ...) {
    tags$div(class = "page", id = paste0("page-", name), `data-title` = page_title(name, words),
             hidden = if (name != page) NA, tags$h1(tabindex = "-1", t(paste0("page.", name))), ...)
  }
  tags$main(
    id = "main", tabindex = "-1", `data-failed` = t("failed"),
    tags$div(id = "lost", class = "alert alert-danger", role = "alert", hidden = NA, t("lost"), " ",
             tags$a(href = "", class = "reload", t("reload"))),
    tags$div(id = "warnings", class = "shiny-html-output", warning_list(state, now, words)),
    tags$div(id = "said", class = "shiny-text-output visually-hidden", role = "status"),
    section(
      "overview",
      tags$div(id = "keys", class = "shiny-html-output", if (!is.null(state$table)) key_figures(state$table, filters, words, now, state$problem)),
      tags$div(
        class = "panels",
        figure_card("trend", words),
        figure_card("age_dose", words),
        figure_card("map", words),
        figure_card("quality", words),
        figure_card("progression", words),
        figure_card("on_time", words),
        tags$section(class = "panel panel-wide", `aria-labelledby` = "sources-heading",
                     tags$h2(id = "sources-heading", t("sources.title")), tags$p(t("sources.explained")), shiny::uiOutput("sources")),
        figure_card("shares", words, controls = tags$div(
          class = "control", tags$label(`for` = "compare", t("shares.by")),
          tags$select(id = "compare", class = "form-select form-select-sm", lapply(VIEW_CHOICES$compare, function(one) {
            tags$option(value = one, selected = if (one == view$compare) NA, name_dimension(one, words))
          }))
        ), wide = TRUE)
      )
    ),
    section("data", cell_page(words, view$order)),
    section("methods", shiny::uiOutput("methods"))
  )
}

page_footer <- function(words, settings) {
  tags <- htmltools::tags
  tags$footer(class = "bottom", tags$p(words$t("footer", version = settings$version)))
}
