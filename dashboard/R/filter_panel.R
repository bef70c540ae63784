# The filters: native boxes and lists, which every keyboard and screen reader knows.

filter_panel <- function(filters, words) {
  tags <- htmltools::tags
  t <- words$t
  tags$aside(
    class = "filters", `aria-label` = t("filters.title"),
    tags$details(
      class = "filters-fold", open = NA, tags$summary(tags$span(class = "filters-title", t("filters.title"))),
      lapply(c("jurisdiction", "vaccine", "age", "sex"), box_group, filters = filters, words = words),
      year_range(filters, words),
      box_group("dose", filters, words),
      tags$button(id = "reset", type = "button", class = "btn btn-outline-primary action-button reset", t("filters.reset"))
    )
  )
}

# A folded list of boxes; none ticked means all.
box_group <- function(dimension, filters, words) {
  tags <- htmltools::tags
  chosen <- filters[[dimension]]
  tags$details(
    class = "choice", `data-all` = words$t("filters.all"), `data-some` = words$t("filters.some"),
    tags$summary(
      tags$span(class = "choice-name", name_dimension(dimension, words)),
      tags$span(class = "choice-state", choice_state(chosen, words))
    ),
    shiny::checkboxGroupInput(
      dimension, label = tags$span(class = "visually-hidden", name_dimension(dimension, words)),
      choiceNames = as.list(name_groups(choices_of(dimension, words), dimension, words)),
      choiceValues = as.list(choices_of(dimension, words)), selected = chosen
    )
  )
}

choice_state <- function(chosen, words) {
  if (length(chosen) == 0) words$t("filters.all") else words$t("filters.some", n = length(chosen))
}

choices_of <- function(dimension, words) {
  dictionary <- words$dictionary
  switch(dimension,
    jurisdiction = dictionary$jurisdictions$code, vaccine = dictionary$vaccines$code, age = dictionary$ages,
    sex = dictionary$sexes, dose = dictionary$doses
  )
}

year_range <- function(filters, words) {
  tags <- htmltools::tags
  list_of <- function(id, label, empty, chosen) {
    years <- rev(as.character(words$dictionary$years))
    tags$div(
      class = "year", tags$label(`for` = id, label),
      tags$select(id = id, class = "form-select form-select-sm", tags$option(value = "", empty), lapply(years, function(year) {
        tags$option(value = year, selected = if (identical(as.integer(year), chosen)) NA, year)
      }))
    )
  }
  tags$fieldset(
    class = "years", tags$legend(name_dimension("year", words)),
    list_of("from", words$t("filters.from"), words$t("filters.first"), filters$from),
    list_of("to", words$t("filters.to"), words$t("filters.last"), filters$to)
  )
}

# The filters that the inputs say, checked like those of a URL.
filters_of_inputs <- function(input, dictionary) {
  query <- list(
    jurisdiction = input$jurisdiction, vaccine = input$vaccine, age = slug(input$age), sex = slug(input$sex),
    from = input$from, to = input$to, dose = slug(input$dose)
  )
  query <- lapply(query, paste, collapse = ",")
  read_filters(query, dictionary)
}

clear_inputs <- function(session) {
  for (dimension in c("jurisdiction", "vaccine", "age", "sex", "dose")) {
    shiny::updateCheckboxGroupInput(session, dimension, selected = character())
  }
  for (end in c("from", "to")) shiny::updateSelectInput(session, end, selected = "")
}
