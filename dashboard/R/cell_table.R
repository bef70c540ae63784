# The page of data: the finest table as it was released, a page at a time, hidden cells as `x`.

PAGE_ROWS <- 50

cells_in_order <- function(table, filters, order_by) {
  cells <- select_cells(table$cells, filters)
  dictionary <- table$dictionary
  rank <- list(
    jurisdiction = match(cells$jurisdiction, dictionary$jurisdictions$code), year = -cells$year,
    vaccine = match(cells$vaccine, dictionary$vaccines$code), age = match(cells$age, dictionary$ages),
    sex = match(cells$sex, dictionary$sexes), dose = match(cells$dose, dictionary$doses)
  )
  if (order_by == "doses") rank <- c(list(-cells$count), rank) else rank <- rank[unique(c(order_by, names(rank)))]
  cells[do.call(order, unname(rank))]
}

say_cells <- function(cells, words) {
  shown <- data.frame(
    name_places(cells$jurisdiction, words), name_groups(cells$year, "year", words), vaccine_names(cells$vaccine, words),
    name_each(cells$age, "age", words), name_groups(cells$sex, "sex", words), name_each(cells$dose, "dose", words),
    ifelse(cells$hidden, words$t("value.hidden"), words$number(ifelse(cells$hidden, 0, cells$count)))
  )
  names(shown) <- c(name_dimension(c("jurisdiction", "year", "vaccine", "age", "sex", "dose"), words), words$t("column.doses"))
  shown
}

# Names of many keys of few kinds.
name_each <- function(keys, dimension, words) {
  kinds <- unique(keys)
  name_groups(kinds, dimension, words)[match(keys, kinds)]
}

# All rows for a file: codes beside names, `x` where hidden.
cell_rows <- function(cells, words) {
  shown <- say_cells(cells, words)
  shown[[7]] <- ifelse(cells$hidden, "x", formatC(ifelse(cells$hidden, 0, cells$count), format = "f", digits = 0))
  shown <- cbind(code_j = cells$jurisdiction, shown[1:3], code_v = cells$vaccine, shown[4:7],
                 reading = say_state(ifelse(cells$hidden, "hidden", "exact"), words))
  names(shown)[c(1, 5, 10)] <- c(words$t("column.code"), words$t("column.vaccine_code"), words$t("column.reading"))
  shown
}

cell_page <- function(words, order) {
  tags <- htmltools::tags
  t <- words$t
  tags$section(
    class = "panel panel-wide", `aria-labelledby` = "cells-heading", tags$h2(id = "cells-heading", t("data.heading")),
    tags$p(t("data.explained")),
    tags$div(
      class = "cells-tools",
      tags$label(`for` = "order_by", t("data.order")),
      tags$select(id = "order_by", class = "form-select form-select-sm", lapply(VIEW_CHOICES$order, function(one) {
        name <- if (one == "doses") t("column.doses") else name_dimension(one, words)
        tags$option(value = one, selected = if (one == order) NA, name)
      })),
      file_link("cells_csv", "CSV", t("download.cells"))
    ),
    shiny::uiOutput("cells"),
    tags$nav(
      class = "pages", `aria-label` = t("data.pages"),
      tags$button(id = "page_before", type = "button", class = "btn btn-outline-primary action-button", t("data.before")),
      shiny::uiOutput("page_number", inline = TRUE),
      tags$button(id = "page_after", type = "button", class = "btn btn-outline-primary action-button", t("data.after"))
    )
  )
}

cell_server <- function(input, output, session, table, filters, view, words, notes) {
  page <- shiny::reactiveVal(1)
  cells <- shiny::reactive(cells_in_order(table(), filters(), view()$order))
  pages <- shiny::reactive(max(1, ceiling(nrow(cells()) / PAGE_ROWS)))
  shiny::observeEvent(cells(), page(1))
  shiny::observeEvent(input$page_before, page(max(1, page() - 1)))
  shiny::observeEvent(input$page_after, page(min(pages(), page() + 1)))
  output$cells <- shiny::renderUI({
    all <- cells()
    if (nrow(all) == 0) return(htmltools::tags$p(class = "empty", nothing_to_show(table(), filters(), words())))
    first <- min((page() - 1) * PAGE_ROWS + 1, nrow(all))
    last <- min(first + PAGE_ROWS - 1, nrow(all))
    number <- words()$number
    caption <- words()$t("data.caption", first = number(first), last = number(last), all = number(nrow(all)))
    html_table(say_cells(all[first:last], words()), caption)
  })
  output$page_number <- shiny::renderUI({
    words()$t("data.page", n = words()$number(page()), all = words()$number(pages()))
  })
  output$cells_csv <- shiny::downloadHandler(
    function() paste0("iidi-cells-", words()$lang, ".csv"), contentType = "text/csv; charset=utf-8",
    content = function(file) {
      figure <- list(title = words()$t("data.heading"), notes = character())
      write_bytes(csv_text(cell_rows(cells(), words()), notes(figure, vaccines = TRUE)), file)
    }
  )
}
