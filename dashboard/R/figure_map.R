# The provinces and territories as tiles: who reports, in which state, and how many doses.

figure_map <- function(table, filters, words, now) {
  t <- words$t
  rows <- source_rows(table, now)
  doses <- by_jurisdiction(table, filters)
  codes <- union(PROVINCES$code, rows$jurisdiction)
  at <- match(codes, rows$jurisdiction)
  of <- match(codes, doses$jurisdiction)
  status <- ifelse(is.na(at), "absent", rows$status[at])
  out <- length(filters$jurisdiction) > 0 & !codes %in% filters$jurisdiction
  value <- if (is.null(doses)) rep(NA_real_, length(codes)) else doses$value[of]
  exact <- if (is.null(doses)) rep(NA, length(codes)) else doses$exact[of]
  names <- name_places(codes, words)
  said <- ifelse(out, t("map.not_in_view"), ifelse(is.na(value), "\u2013", say_sum(value, exact, words)))
  status_said <- ifelse(status == "absent", t("status.absent"), say_status(status, words))
  as_of <- ifelse(is.na(at) | is.na(rows$as_of[at]), "\u2013", format_date(rows$as_of[at]))
  shown <- setNames(data.frame(names, status_said, as_of, said),
                    c(name_dimension("jurisdiction", words), t("column.status"), t("column.as_of"), t("column.doses")))
  state <- sum_state(ifelse(is.na(value), 0, value), exact)
  machine <- setNames(data.frame(
    codes, names, status_said, ifelse(is.na(at), "", rows$as_of[at]),
    ifelse(is.na(value), "", plain_number(value, state)),
    ifelse(out, t("map.not_in_view"), ifelse(is.na(value), t("value.none"), say_state(state, words)))
  ), c(t("column.code"), name_dimension("jurisdiction", words), t("column.status"), t("column.as_of"),
       t("column.doses"), t("column.reading")))
  tiles <- data.frame(code = codes, status, status_said, value, exact, out, tip = paste0(
    names, ": ", status_said, ifelse(is.na(value), "", paste0(", ", t("doses_of", n = said)))
  ), stringsAsFactors = FALSE)
  new_figure("map", t("map.title"), describe_map(names, status, status_said, words), shown, machine,
             function(width) draw_map(tiles, words, width),
             notes_of(stats::na.omit(state[!is.na(value)]), words))
}

describe_map <- function(names, status, status_said, words) {
  shown <- status %in% c("ok", "stale")
  good <- ifelse(status == "stale", sprintf("%s (%s)", names, status_said), names)[shown]
  bad <- which(!status %in% c("ok", "stale", "absent"))
  paste(c(
    words$t("map.summary", n = length(good), all = length(good) + length(bad),
            who = if (length(good) > 0) paste(good, collapse = ", ") else words$t("none")),
    if (length(bad) > 0) words$t("map.summary_missing",
                                 who = paste(sprintf("%s (%s)", names[bad], status_said[bad]), collapse = ", "))
  ), collapse = " ")
}

draw_map <- function(tiles, words, width) {
  at <- match(tiles$code, PROVINCES$code)
  tiles <- tiles[!is.na(at), ]
  place <- PROVINCES[at[!is.na(at)], ]
  side <- min(width / 8, 104)
  gap <- 4
  left <- (width - side * 8) / 2
  x <- left + (as.integer(place$column) - 1) * side
  y <- (as.integer(place$row) - 1) * side + 2
  look <- list(
    ok = c(BLUE, BLUE, PAPER, "none"), stale = c("#fdf3dc", AMBER, INK, "none"),
    unavailable = c(PAPER, "#a32020", INK, "5 3"), invalid = c(PAPER, "#a32020", INK, "5 3"),
    suspended = c(PAPER, "#a32020", INK, "5 3"), absent = c("#eef1f4", "#eef1f4", MUTED, "none")
  )
  style <- do.call(rbind, look[ifelse(tiles$status %in% names(look), tiles$status, "invalid")])
  counts <- ifelse(tiles$out, "\u2013", ifelse(is.na(tiles$value), "", mark_sum(tiles$value, tiles$exact, words, TRUE)))
  small <- side < 70
  size <- if (small) 9 else 11
  fits <- text_width(tiles$status_said, size) <= side - 6
  sign <- ifelse(tiles$status %in% c("ok", "absent"), "",
                 ifelse(fits, tiles$status_said, ifelse(tiles$status == "stale", "\u25b2", "\u2716")))
  list(
    body = c(
      svg_rect(x + gap / 2, y, side - gap, side - gap, style[, 1], style[, 2], 5, style[, 4], tip = tiles$tip),
      svg_text(x + side / 2, y + side * 0.34, tiles$code, if (small) 12 else 16, "middle", style[, 3], "600"),
      svg_text(x + side / 2, y + side * 0.6, counts, size, "middle", style[, 3]),
      svg_text(x + side / 2, y + side * 0.82, sign, size, "middle", style[, 3])
    ),
    height = side * 3 + 4
  )
}
