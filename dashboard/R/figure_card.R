# A figure on a page: heading, definition, drawing, sentence, table, files. A Shiny module.

figure_card <- function(id, words, controls = NULL, wide = FALSE) {
  tags <- htmltools::tags
  ns <- shiny::NS(id)
  heading <- card_heading(id, words)
  tags$section(
    class = paste("panel", if (wide) "panel-wide"), `aria-labelledby` = ns("heading"),
    tags$h2(id = ns("heading"), heading),
    tags$details(class = "definition", tags$summary(words$t("definition.summary")), tags$p(card_definition(id, words))),
    controls,
    tags$div(id = ns("body"), class = "shiny-html-output shiny-report-size figure-body"),
    tags$details(
      class = "figure-table", tags$summary(words$t("table.summary"), tags$span(class = "visually-hidden", heading)),
      shiny::uiOutput(ns("table"))
    ),
    tags$p(
      class = "downloads",
      file_link(ns("csv"), "CSV", words$t("download.csv", title = heading)),
      file_link(ns("svg"), "SVG", words$t("download.svg", title = heading))
    )
  )
}

file_link <- function(id, label, said) {
  htmltools::tagAppendAttributes(
    shiny::downloadLink(id, label, class = "btn btn-sm btn-outline-primary"), `aria-label` = said, title = said
  )
}

card_heading <- function(id, words) {
  t <- words$t
  switch(id, trend = t("trend.title"), age_dose = t("age_dose.title"), shares = t("shares.heading"), map = t("map.title"),
         progression = t("progression.title"), on_time = t("on_time.title"), quality = t("quality.title"))
}

card_definition <- function(id, words) {
  t <- words$t
  switch(id, trend = t("trend.definition"), age_dose = t("age_dose.definition"), shares = t("shares.definition"),
         map = t("map.definition"), progression = t("progression.definition"), on_time = t("on_time.definition"),
         quality = t("quality.definition"))
}

# `figure` is a reactive figure; `notes` a function of it that gives the lines its files carry.
figure_server <- function(id, figure, notes, words) {
  shiny::moduleServer(id, function(input, output, session) {
    tags <- htmltools::tags
    width <- shiny::reactive({
      seen <- session$clientData[[paste0("output_", session$ns("body"), "_width")]]
      if (is.null(seen) || seen < 100) return(640)
      # Drawn as if text had its usual size, then enlarged with it: on a wall, or for who wants large letters.
      scale <- session$rootScope()$input$text_scale
      if (!isTRUE(scale >= 0.5 && scale <= 4)) scale <- 1
      10 * max(10, (seen / scale) %/% 10)
    })
    output$body <- shiny::renderUI({
      figure <- figure()
      if (figure$empty) return(tags$p(class = "empty", figure$summary))
      htmltools::tagList(
        htmltools::HTML(draw_figure(figure, width())),
        tags$p(class = "figure-summary", figure$summary),
        if (length(figure$notes) > 0) tags$ul(class = "notes", lapply(figure$notes, tags$li))
      )
    })
    output$table <- shiny::renderUI({
      figure <- figure()
      if (figure$empty) tags$p(class = "empty", figure$summary) else html_table(figure$table, figure$title)
    })
    name <- function(extension) paste0("iidi-", gsub("_", "-", id), "-", words()$lang, ".", extension)
    output$csv <- shiny::downloadHandler(function() name("csv"), contentType = "text/csv; charset=utf-8", content = function(file) {
      figure <- figure()
      rows <- if (figure$empty) data.frame() else figure$rows
      write_bytes(csv_text(rows, notes(figure, vaccines = TRUE)), file)
    })
    output$svg <- shiny::downloadHandler(function() name("svg"), contentType = "image/svg+xml", content = function(file) {
      figure <- figure()
      if (figure$empty) figure$draw <- function(width) list(body = svg_text(8, 24, figure$summary), height = 40)
      write_bytes(draw_figure(figure, 900, notes(figure, vaccines = TRUE)), file)
    })
  })
}
