# A figure of a page: a drawing, the same in a sentence, as a table and as files.
#
# summary  what a reader should see in it, in a sentence or two
# table    the numbers as the page shows them, first column naming the row
# rows     the same for machines: plain numbers, and beside each how it is to be read
# draw     function(width) -> list(body, height)
# notes    what must be known to read it

new_figure <- function(id, title, summary, table, rows, draw, notes = character()) {
  list(id = id, title = title, summary = summary, table = table, rows = rows, draw = draw, notes = notes, empty = FALSE)
}

# Where there is nothing to draw, and why; the note tells it in files.
no_figure <- function(id, title, why) list(id = id, title = title, summary = why, empty = TRUE, notes = why)

draw_figure <- function(figure, width, footer = character()) {
  drawing <- figure$draw(width)
  svg_document(paste0("figure-", figure$id), width, drawing$height, drawing$body, figure$title, figure$summary, footer)
}

# The notes that the states of a figure's numbers call for.
notes_of <- function(state, words) {
  c(
    if ("at_least" %in% state) words$t("note.at_least"), if ("hidden" %in% state) words$t("note.hidden"),
    if ("of_shown" %in% state) words$t("note.of_shown")
  )
}

# The filters among `dimensions` that were chosen, for a figure that leaves those aside.
note_aside <- function(filters, dimensions, words) {
  aside <- utils::modifyList(no_filters(), filters[dimensions])
  if (!identical(aside, no_filters())) words$t("note.aside", filters = say_filters(aside, words))
}

html_table <- function(table, caption) {
  tags <- htmltools::tags
  side <- ifelse(vapply(table, are_numbers, TRUE), "number", "")
  cell <- function(text, side) {
    hidden <- if (!is.na(text) && startsWith(text, "x (")) "hidden-cell"
    class <- c(if (nzchar(side)) side, hidden)
    tags$td(class = if (length(class) > 0) paste(class, collapse = " "), text)
  }
  tags$div(class = "table-scroll", tabindex = "0", role = "group", `aria-label` = caption, tags$table(
    class = "table table-sm", tags$caption(caption),
    tags$thead(tags$tr(Map(function(name, side) tags$th(scope = "col", class = if (nzchar(side)) side, name),
                           names(table), c("", side[-1]), USE.NAMES = FALSE))),
    tags$tbody(lapply(seq_len(nrow(table)), function(i) {
      row <- as.character(unlist(table[i, ]))
      tags$tr(tags$th(scope = "row", row[1]), Map(cell, row[-1], side[-1], USE.NAMES = FALSE))
    }))
  ))
}

# Whether a column holds numbers alone, however they are qualified: such are easier to compare ranged right.
are_numbers <- function(column) {
  text <- as.character(column)
  number <- grepl("^[^0-9]{0,10}[0-9][0-9.,\u00a0]*%?(\u00a0\u2020)?$", text)
  any(number) && all(number | text == "\u2013" | startsWith(text, "x ("))
}
