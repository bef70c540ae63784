# The top of the overview: doses, who reports, how much is hidden, how old. `problem` is what ails the federator.

key_figures <- function(table, filters, words, now, problem = NULL) {
  tags <- htmltools::tags
  t <- words$t
  doses <- doses_recorded(table, filters)
  rows <- source_rows(table, now)
  good <- reporting(table)
  cells <- cells_in_view(table, filters)
  seen <- rows[rows$jurisdiction %in% in_view(table, filters), ]
  dates <- sort(unique(format_date(stats::na.omit(seen$as_of))))
  hidden <- if (nrow(seen) == 0) t("value.none") else t("key.of", n = words$number(cells$hidden), all = words$number(cells$all))
  one <- function(id, label, value, more) {
    tags$div(class = "key", id = id, tags$dt(label), tags$dd(tags$span(class = "key-value", value), tags$span(class = "key-more", more)))
  }
  tags$dl(
    class = "keys",
    one("key-doses", t("key.doses"), say_sum(doses$value, isTRUE(doses$exact), words), say_filters(filters, words)),
    one("key-reporting", t("key.reporting"), t("key.of", n = length(good), all = nrow(rows)), say_reporting(rows, table, words, problem)),
    one("key-hidden", t("key.hidden"), hidden, t("key.hidden_more")),
    one("key-as-of", t("key.as_of"), if (length(dates) == 0) "\u2013" else utils::tail(dates, 1),
        if (length(dates) > 0) if (length(dates) > 1) t("key.oldest", date = dates[1]) else t("key.same_date"))
  )
}

# Who is missing, else how many are old, and how many take no part; that all report only where the federator says so now.
say_reporting <- function(rows, table, words, problem) {
  old <- sum(rows$status == "stale")
  sources <- missing_line(table, words) %||% if (old > 0) words$t("key.old", n = old) else {
    if (is.null(problem)) words$t("key.all_report") else words$t("key.last_heard")
  }
  paste(c(sources, absent_line(table, words)), collapse = ". ")
}

warning_list <- function(state, now, words) {
  tags <- htmltools::tags
  lapply(warnings_of(state, now, words), function(warning) {
    tags$p(class = paste("alert", paste0("alert-", warning$level)), tags$strong(words$t(paste0("level.", warning$level))), " ",
           warning$text)
  })
}

source_table <- function(table, words, now) {
  rows <- source_rows(table, now)
  dash <- function(text) ifelse(is.na(text) | text == "", "\u2013", text)
  sign <- c(ok = "\u25cf", stale = "\u25b2")
  status <- paste0(ifelse(rows$status %in% names(sign), sign[rows$status], "\u2716"), NBSP, say_status(rows$status, words))
  gone <- !rows$status %in% c("ok", "stale")
  shown <- data.frame(
    name_places(rows$jurisdiction, words), status, dash(format_time(rows$as_of)),
    ifelse(is.na(rows$age_seconds), "\u2013", format_age(rows$age_seconds, words)), dash(rows$release_id),
    dash(as.character(rows$threshold)), ifelse(gone, "\u2013", words$number(rows$cells)),
    ifelse(gone, "\u2013", words$number(rows$hidden)), dash(say_problem(rows, words))
  )
  names(shown) <- c(
    name_dimension("jurisdiction", words), words$t("column.status"), words$t("column.as_of"), words$t("column.age_of_data"),
    words$t("column.release"), words$t("column.threshold"), words$t("column.cells"), words$t("column.hidden"),
    words$t("column.problem")
  )
  html_table(shown, words$t("sources.caption"))
}
