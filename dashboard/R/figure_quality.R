# What is not known of the doses in view.

figure_quality <- function(table, filters, words) {
  t <- words$t
  title <- t("quality.title")
  if (length(in_view(table, filters)) == 0) return(no_figure("quality", title, t("empty.not_reporting")))
  rows <- completeness(table, filters)
  label <- c(
    year = t("quality.year"), age = t("quality.age"), sex = t("quality.sex"), vaccine = t("quality.vaccine"),
    dose = t("quality.dose")
  )[rows$dimension]
  said <- say_share(rows$share, rows$state, words)
  doses <- ifelse(is.na(rows$value), t("value.undefined"), say_sum(rows$value, rows$exact, words))
  shown <- setNames(data.frame(unname(label), said, doses), c(t("column.unknown"), t("column.share"), t("column.doses")))
  state <- ifelse(is.na(rows$value), "none", sum_state(rows$value, rows$exact))
  machine <- setNames(data.frame(
    unname(label), plain_share(rows$share, rows$state), say_state(rows$state, words), plain_number(rows$value, state),
    say_state(state, words)
  ), c(t("column.unknown"), t("column.share"), t("column.reading"), t("column.doses"), t("column.reading_doses")))
  cells <- data.frame(
    row = unname(label), column = t("column.share"), share = rows$share, state = rows$state,
    mark = mark_share(rows$share, rows$state, words, 1), tip = paste0(label, ": ", said), stringsAsFactors = FALSE
  )
  known <- cells_in_view(table, filters)
  new_figure("quality", title, t("quality.summary", cells = words$number(known$all), hidden = words$number(known$hidden)),
             shown, machine,
             function(width) draw_bar_matrix("figure-quality", width, cells$row, t("column.share"), cells),
             notes_of(rows$state, words))
}
