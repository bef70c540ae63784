# What is looked at: a choice in each dimension, nothing chosen meaning everything.
# The URL is the whole state of a view; what it names and the data do not know is dropped.

no_filters <- function() {
  list(
    jurisdiction = character(), vaccine = character(), age = character(), sex = character(),
    from = NA_integer_, to = NA_integer_, dose = character()
  )
}

# Labels as they stand in a URL: "2–6 years" is `2-6-years`.
slug <- function(label) gsub("(^-|-$)", "", gsub("[^a-z0-9]+", "-", tolower(label)))

read_filters <- function(query, dictionary) {
  if (is.character(query)) query <- shiny::parseQueryString(query)
  among <- function(name, values, keys = values) {
    wanted <- strsplit(query[[name]] %||% "", ",", fixed = TRUE)[[1]]
    chosen <- values[keys %in% wanted]
    if (length(chosen) == length(values)) character() else chosen # everything is no choice
  }
  year <- function(name) {
    year <- suppressWarnings(as.integer(query[[name]] %||% NA))
    if (isTRUE(year %in% dictionary$years)) year else NA_integer_
  }
  filters <- list(
    jurisdiction = among("jurisdiction", dictionary$jurisdictions$code),
    vaccine = among("vaccine", dictionary$vaccines$code),
    age = among("age", dictionary$ages, slug(dictionary$ages)),
    sex = among("sex", dictionary$sexes, slug(dictionary$sexes)),
    from = year("from"), to = year("to"),
    dose = among("dose", dictionary$doses, slug(dictionary$doses))
  )
  if (isTRUE(filters$from > filters$to)) filters[c("from", "to")] <- filters[c("to", "from")]
  filters
}

# The query string that `read_filters` reads back; `more` holds what else is in the URL (language, page).
write_query <- function(filters, more = list()) {
  values <- c(more, list(
    jurisdiction = filters$jurisdiction, vaccine = filters$vaccine, age = slug(filters$age), sex = slug(filters$sex),
    from = filters$from[!is.na(filters$from)], to = filters$to[!is.na(filters$to)], dose = slug(filters$dose)
  ))
  values <- values[lengths(values) > 0]
  text <- vapply(values, function(one) {
    paste(vapply(as.character(one), utils::URLencode, "", reserved = TRUE), collapse = ",")
  }, "")
  paste0("?", paste(names(values), text, sep = "=", collapse = "&"))
}

# What else makes a view: by what shares are compared, and in which order the cells stand. The first is the usual one.
VIEW_CHOICES <- list(
  compare = c("age", "vaccine", "sex", "dose"),
  order = c("jurisdiction", "year", "vaccine", "age", "sex", "dose", "doses")
)

read_view <- function(query) {
  Map(function(name, choices) {
    if (isTRUE(query[[name]] %in% choices)) query[[name]] else choices[1]
  }, names(VIEW_CHOICES), VIEW_CHOICES)
}

# The parts of a view that are not the usual ones, for a URL.
unusual_view <- function(view) view[unlist(view) != vapply(VIEW_CHOICES, `[`, "", 1)]

# The axes on which something was chosen.
chosen_axes <- function(filters) {
  c(
    if (!is.na(filters$from) || !is.na(filters$to)) "year",
    if (length(filters$age) > 0) "age", if (length(filters$sex) > 0) "sex", if (length(filters$dose) > 0) "dose"
  )
}

# The rows of a table of cells that the filters keep. An unknown year lies in no range of years.
select_cells <- function(cells, filters) {
  keep <- rep(TRUE, nrow(cells))
  for (dimension in c("jurisdiction", "vaccine", "age", "sex", "dose")) {
    chosen <- filters[[dimension]]
    if (length(chosen) > 0) keep <- keep & cells[[dimension]] %chin% chosen
  }
  if (!is.na(filters$from)) keep <- keep & !is.na(cells$year) & cells$year >= filters$from
  if (!is.na(filters$to)) keep <- keep & !is.na(cells$year) & cells$year <= filters$to
  cells[keep]
}

`%chin%` <- data.table::`%chin%`
