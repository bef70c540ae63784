# Starts everything: settings, the first table, the clock that asks for newer ones, the web server.

serve_dashboard <- function() {
  settings <- tryCatch(read_settings(), error = function(error) {
    log_line(conditionMessage(error))
    quit(status = 64)
  })
  store <- new_store(settings)
  store$restore()
  store$refresh()
  refresh_for_ever(store, settings)
  shiny::addResourcePath("assets", file.path(DASHBOARD_HOME, "www"))
  options(shiny.sanitize.errors = TRUE, shiny.fullstacktrace = FALSE)
  theme <- dashboard_theme()
  schedule <- read_schedule()
  warm_up(store, schedule)
  app <- shiny::shinyApp(
    ui = function(request) dashboard_page(request, store, settings, theme),
    server = dashboard_session(store, settings, schedule), uiPattern = ".*"
  )
  port <- if (settings$port == 0) httpuv::randomPort(host = settings$host) else settings$port
  log_line("dashboard on http://", settings$host, ":", port, "/")
  shiny::runApp(app, host = settings$host, port = port, launch.browser = FALSE, quiet = TRUE)
}

# Asks again and again; the next time is counted from the answer.
refresh_for_ever <- function(store, settings) {
  again <- function() {
    ask_meanwhile(settings, store$etag(), function(answer) {
      on.exit(later::later(again, settings$refresh_seconds)) # whatever becomes of this answer
      store$take(answer)
    })
  }
  later::later(again, settings$refresh_seconds)
}

# R compiles a function when it is used: better before the first reader than with him.
warm_up <- function(store, schedule) {
  table <- shiny::isolate(store$table())
  if (is.null(table)) return()
  for (lang in LANGUAGES) {
    words <- words_in(lang, table$dictionary)
    filters <- no_filters()
    drawn <- list(
      figure_trend(table, filters, words), figure_age_dose(table, filters, words),
      figure_shares(table, filters, words, "age"), figure_map(table, filters, words, Sys.time()),
      figure_progression(table, filters, words), figure_on_time(table, filters, words, schedule),
      figure_quality(table, filters, words)
    )
    for (figure in drawn) if (!figure$empty) draw_figure(figure, 640)
  }
}

# System fonts only: nothing is fetched from another host.
dashboard_theme <- function() {
  bslib::bs_theme(
    version = 5, primary = BLUE, `font-family-base` = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif",
    `headings-font-weight` = 600
  )
}
