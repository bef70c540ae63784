# How many first doses were followed by a second, a third, and so on.

figure_progression <- function(table, filters, words) {
  t <- words$t
  title <- t("progression.title")
  if (length(in_view(table, filters)) == 0) return(no_figure("progression", title, t("empty.not_reporting")))
  rows <- progression(table, filters)
  if (is.null(rows)) return(no_figure("progression", title, t("progression.empty")))
  rows <- rows[rows$vaccine %in% rows$vaccine[rows$state != "none"], ]
  if (nrow(rows) == 0) return(no_figure("progression", title, t("progression.empty")))
  vaccine <- vaccine_names(rows$vaccine, words)
  dose <- name_doses(as.character(rows$number), words)
  said <- say_share(rows$ratio, rows$state, words)
  vaccines <- unique(vaccine)
  numbers <- sort(unique(rows$number))
  cell <- function(one, number, text, otherwise) {
    at <- which(vaccine == one & rows$number == number)
    if (length(at) == 1) text[at] else otherwise
  }
  doses <- say_sum(rows$value, rows$exact, words)
  shown <- data.frame(vaccines, vapply(vaccines, cell, "", 1, doses, "\u2013"), check.names = FALSE)
  for (number in numbers[numbers > 1]) {
    shown[[paste0("d", number)]] <- vapply(vaccines, cell, "", number, said, "\u2013")
  }
  later <- numbers[numbers > 1]
  names(shown) <- c(name_dimension("vaccine", words), t("progression.first"),
                    vapply(later, function(n) t("progression.share_of_first", dose = name_doses(n, words)), ""))
  state <- sum_state(rows$value, rows$exact)
  machine <- setNames(data.frame(
    vaccine, rows$vaccine, rows$number, plain_number(rows$value, state), say_state(state, words),
    plain_share(rows$ratio, rows$state), say_state(rows$state, words)
  ), c(name_dimension("vaccine", words), t("column.code"), name_dimension("dose", words), t("column.doses"),
       t("column.reading_doses"), t("column.ratio"), t("column.reading")))
  drawn <- rows$number > 1
  cells <- data.frame(
    row = vaccine, column = dose, share = rows$ratio, state = rows$state,
    mark = mark_share(rows$ratio, rows$state, words), stringsAsFactors = FALSE,
    tip = paste0(vaccine, ", ", dose, ": ", said, " (", t("doses_of", n = doses), ")")
  )[drawn, ]
  last <- if (is.na(filters$to)) max(table$dictionary$years) else filters$to
  new_figure("progression", title, describe_progression(cells, last, words), shown, machine,
             function(width) draw_bar_matrix("figure-progression", width, vaccines,
                                             name_doses(as.character(later), words), cells),
             c(note_aside(filters, c("from", "dose"), words), t("progression.note"), notes_of(c(rows$state, state), words)))
}

describe_progression <- function(cells, last, words) {
  sure <- cells[cells$state == "exact", ]
  parts <- words$t("progression.summary", year = last)
  if (nrow(sure) > 1) {
    low <- sure[which.min(sure$share), ]
    high <- sure[which.max(sure$share), ]
    parts <- c(parts, words$t("progression.summary_range", low = paste(low$row, low$column, sep = ", "),
                              low_share = low$mark, high = paste(high$row, high$column, sep = ", "),
                              high_share = high$mark))
  }
  paste(parts, collapse = " ")
}
