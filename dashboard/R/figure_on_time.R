# Of the doses that a schedule recommends before a birthday, the share that was given before it.

figure_on_time <- function(table, filters, words, schedule) {
  t <- words$t
  title <- t("on_time.title")
  if (length(in_view(table, filters)) == 0) return(no_figure("on_time", title, t("empty.not_reporting")))
  rows <- on_time(table, filters, schedule)
  if (is.null(rows)) return(no_figure("on_time", title, t("on_time.empty")))
  label <- paste(vaccine_names(rows$vaccine, words), tolower(name_doses(as.character(rows$dose), words)), sep = ", ")
  before <- vapply(as.character(rows$before_birthday), function(n) {
    t("on_time.before", n = n, years = years_of(n, words))
  }, "", USE.NAMES = FALSE)
  short <- vapply(as.character(rows$before_birthday), function(n) {
    t("on_time.short", n = n, years = years_of(n, words))
  }, "", USE.NAMES = FALSE)
  said <- say_share(rows$share, rows$state, words)
  early <- say_sum(rows$value, rows$exact, words)
  all <- say_sum(rows$all, rows$all_exact, words)
  shown <- setNames(data.frame(label, before, said, early, all), c(
    t("column.vaccine_dose"), t("column.recommended"), t("column.on_time"), t("column.doses_early"), t("column.doses_all")
  ))
  state <- sum_state(rows$value, rows$exact)
  state_all <- sum_state(rows$all, rows$all_exact)
  machine <- setNames(data.frame(
    vaccine_names(rows$vaccine, words), rows$vaccine, rows$dose, rows$before_birthday,
    plain_share(rows$share, rows$state), say_state(rows$state, words), plain_number(rows$value, state),
    say_state(state, words), plain_number(rows$all, state_all), say_state(state_all, words)
  ), c(name_dimension("vaccine", words), t("column.code"), name_dimension("dose", words), t("column.birthday"),
       t("column.on_time"), t("column.reading"), t("column.doses_early"), t("column.reading_early"), t("column.doses_all"), t("column.reading_all")))
  cells <- data.frame(
    row = paste(label, short, sep = ", "), column = t("column.on_time"), share = rows$share, state = rows$state,
    mark = mark_share(rows$share, rows$state, words), tip = paste0(label, ": ", said), stringsAsFactors = FALSE
  )
  sure <- cells[cells$state == "exact", ]
  summary <- t("on_time.summary", n = nrow(cells))
  if (nrow(sure) > 1) {
    summary <- paste(summary, t("on_time.summary_range", low = sure$row[which.min(sure$share)],
                                low_share = sure$mark[which.min(sure$share)], high = sure$row[which.max(sure$share)],
                                high_share = sure$mark[which.max(sure$share)]))
  }
  new_figure("on_time", title, summary, shown, machine,
             function(width) draw_bar_matrix("figure-on_time", width, cells$row, t("column.on_time"), cells),
             c(note_aside(filters, "age", words), t("on_time.note"), notes_of(rows$state, words)))
}
