# Doses by year; a year that is not over is hatched.

figure_trend <- function(table, filters, words) {
  t <- words$t
  title <- t("trend.title")
  if (length(in_view(table, filters)) == 0) return(no_figure("trend", title, t("empty.not_reporting")))
  years <- trend(table, filters)
  unknown <- unknown_year(table, filters)
  note_unknown <- if (nrow(unknown) > 0) t("trend.note_unknown", n = say_sum(unknown$value, unknown$exact, words))
  if (nrow(years) == 0) return(no_figure("trend", title, note_unknown %||% t("empty.no_doses")))
  state <- sum_state(years$value, years$exact)
  change <- ifelse(is.na(years$change), "\u2013", words$signed(ifelse(is.na(years$change), 0, years$change)))
  said <- say_sum(years$value, years$exact, words)
  shown <- setNames(data.frame(
    ifelse(years$incomplete, t("trend.incomplete_year", year = "%y"), "%y"), said, change, words$number(years$hidden)
  ), c(name_dimension("year", words), t("column.doses"), t("column.change"), t("column.hidden")))
  shown[[1]] <- mapply(function(text, year) sub("%y", year, text, fixed = TRUE), shown[[1]], years$year)
  rows <- setNames(data.frame(
    years$year, plain_number(years$value, state), say_state(state, words), years$hidden,
    ifelse(years$incomplete, t("yes"), t("no")),
    plain_share(years$change, ifelse(is.na(years$change), "none", "exact"))
  ), c(name_dimension("year", words), t("column.doses"), t("column.reading"), t("column.hidden"), t("column.incomplete"),
       t("column.change")))
  tips <- paste0(years$year, ": ", said, ifelse(years$incomplete, paste0(" (", t("trend.incomplete"), ")"), ""))
  new_figure("trend", title, describe_trend(years, said, words), shown, rows,
             function(width) draw_trend(years, tips, words, width),
             c(note_unknown, if (any(years$incomplete)) t("note.incomplete"),
               notes_of(c(state, sum_state(unknown$value, unknown$exact)), words)))
}

describe_trend <- function(years, said, words) {
  complete <- which(!years$incomplete)
  from <- years$year[1]
  to <- utils::tail(years$year, 1)
  parts <- if (from == to) words$t("trend.summary_one", year = to) else words$t("trend.summary", from = from, to = to)
  if (length(complete) > 0) {
    best <- complete[which.max(years$value[complete])]
    last <- utils::tail(complete, 1)
    shown <- years$value[best] > 0 # else all is hidden, or there is nothing
    if (shown && best != last) parts <- c(parts, words$t("trend.summary_most", year = years$year[best], n = said[best]))
    parts <- c(parts, words$t("trend.summary_last", year = years$year[last], n = said[last]))
  }
  if (any(years$incomplete)) {
    parts <- c(parts, words$t("trend.summary_incomplete", years = paste(years$year[years$incomplete], collapse = ", ")))
  }
  paste(parts, collapse = " ")
}

draw_trend <- function(years, tips, words, width) {
  height <- 260
  left <- 58
  bottom <- height - 26
  top <- 24
  steps <- axis_steps(max(years$value))
  scale <- function(value) bottom - (bottom - top) * value / max(steps, 1)
  slot <- (width - left - 6) / nrow(years)
  bar <- min(slot * 0.72, 64)
  middle <- left + slot * (seq_len(nrow(years)) - 0.5)
  y <- scale(years$value)
  state <- sum_state(years$value, years$exact)
  fill <- ifelse(years$incomplete, hatch("figure-trend", "incomplete"), BLUE)
  every <- ceiling(34 / slot)
  labelled <- rev(seq(nrow(years), 1, by = -every))
  wide <- slot > 46
  body <- c(
    svg_line(left, scale(steps), width, scale(steps)),
    svg_text(left - 8, scale(steps) + 4, words$compact(steps), 11, "end", MUTED),
    svg_text(left - 8, 8, words$t("column.doses"), 11, "end", MUTED),
    svg_rect(middle - bar / 2, y, bar, bottom - y, fill, ifelse(years$incomplete, BLUE, "none"), tip = tips),
    svg_text(middle[labelled], bottom + 17, years$year[labelled], 11, "middle")
  )
  open <- state == "at_least"
  if (any(open)) {
    body <- c(body, svg_rect(middle[open] - bar / 2, y[open] - 8, bar, 8, PAPER, BLUE, dash = "2 2", tip = tips[open]))
  }
  gone <- state == "hidden"
  if (any(gone)) body <- c(body, svg_text(middle[gone], bottom - 4, "x", 12, "middle", MUTED))
  if (wide) {
    body <- c(body, svg_text(middle[!gone], y[!gone] - ifelse(open[!gone], 12, 5),
                             mark_sum(years$value, years$exact, words, TRUE)[!gone], 11, "middle"))
  }
  list(body = c(body, svg_line(left, bottom, width, bottom, "#7b8794")), height = height)
}

# Why there is no figure: nobody in view reports, or there is no such dose.
nothing_to_show <- function(table, filters, words) {
  if (length(in_view(table, filters)) == 0) words$t("empty.not_reporting") else words$t("empty.no_doses")
}
