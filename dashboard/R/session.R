# What one open page shows: everything follows from the store's table and the filters.

dashboard_session <- function(store, settings, schedule) {
  function(input, output, session) {
    query <- shiny::parseQueryString(shiny::isolate(session$clientData$url_search))
    lang <- language_of(query, session$request$HTTP_ACCEPT_LANGUAGE)
    state <- store$state
    table <- shiny::reactive(store$table() %||% empty_table())
    words <- shiny::reactive(words_in(lang, table()$dictionary))
    filters <- shiny::reactive(filters_of_inputs(input, table()$dictionary))
    view <- shiny::reactive(read_view(list(compare = input$compare, order = input$order_by)))
    now <- shiny::reactive({
      shiny::invalidateLater(30000)
      Sys.time()
    })
    have_data <- function() shiny::req(store$table())

    output$warnings <- shiny::renderUI(warning_list(state(), now(), words()))
    output$keys <- shiny::renderUI(key_figures(have_data(), filters(), words(), now(), state()$problem))
    output$sources <- shiny::renderUI(source_table(have_data(), words(), now()))
    output$methods <- shiny::renderUI(methods_page(table(), words(), settings))
    output$said <- shiny::renderText({
      doses <- doses_recorded(have_data(), filters())
      words()$t("said", n = say_sum(doses$value, isTRUE(doses$exact), words()), filters = say_filters(filters(), words()))
    })

    notes <- function(figure, vaccines = FALSE) {
      shiny::isolate({
        url <- paste0(session$clientData$url_protocol, "//", session$clientData$url_hostname,
                      if (nzchar(session$clientData$url_port)) ":", session$clientData$url_port,
                      session$clientData$url_pathname, write_query(filters(), c(list(lang = lang), unusual_view(view()))))
        c(file_notes(figure, table(), filters(), words(), settings$version, settings$data_kind == "synthetic", url, Sys.time()),
          if (vaccines) vaccine_lines(filters(), words()))
      })
    }
    figures <- list(
      trend = function() figure_trend(table(), filters(), words()),
      age_dose = function() figure_age_dose(table(), filters(), words()),
      shares = function() figure_shares(table(), filters(), words(), view()$compare),
      map = function() figure_map(table(), filters(), words(), now()),
      progression = function() figure_progression(table(), filters(), words()),
      on_time = function() figure_on_time(table(), filters(), words(), schedule),
      quality = function() figure_quality(table(), filters(), words())
    )
    lapply(names(figures), function(id) {
      figure_server(id, shiny::reactive({
        if (is.null(store$table())) return(no_figure(id, card_heading(id, words()), words()$t("empty.no_table")))
        figures[[id]]()
      }), notes, words)
    })
    cell_server(input, output, session, table, filters, view, words, notes)

    shiny::observe(session$sendCustomMessage("iidi-filters", write_query(filters(), unusual_view(view()))))
    shiny::observeEvent(input$reset, clear_inputs(session))
    keep_choices_current(session, input, table, words)
  }
}

# A newer table may know vaccines, places, doses or years that the page was sent without.
keep_choices_current <- function(session, input, table, words) {
  shiny::observeEvent(table()$dictionary, ignoreInit = TRUE, {
    for (dimension in c("jurisdiction", "vaccine", "age", "dose")) {
      shiny::updateCheckboxGroupInput(
        session, dimension, choiceNames = as.list(name_groups(choices_of(dimension, words()), dimension, words())),
        choiceValues = as.list(choices_of(dimension, words())), selected = input[[dimension]]
      )
    }
    years <- rev(as.character(table()$dictionary$years))
    for (end in c("from", "to")) {
      first <- stats::setNames("", if (end == "from") words()$t("filters.first") else words()$t("filters.last"))
      shiny::updateSelectInput(session, end, choices = c(first, stats::setNames(years, years)), selected = input[[end]])
    }
  })
}
