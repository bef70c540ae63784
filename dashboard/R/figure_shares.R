# Jurisdictions compared: what the doses of each are made of, in shares.

figure_shares <- function(table, filters, words, dimension) {
  t <- words$t
  title <- t("shares.title", what = tolower(name_dimension(dimension, words)))
  shares <- shares_by_jurisdiction(table, filters, dimension)
  if (is.null(shares) || nrow(shares) == 0) return(no_figure("shares", title, nothing_to_show(table, filters, words)))
  group <- name_groups(shares[[dimension]], dimension, words)
  place <- name_places(shares$jurisdiction, words)
  said <- say_share(shares$share, shares$state, words)
  doses <- say_sum(shares$value, shares$exact, words)
  groups <- unique(group)
  places <- unique(place)
  wide <- sapply(places, function(one) said[place == one][match(groups, group[place == one])])
  shown <- setNames(data.frame(groups, matrix(wide, ncol = length(places)), check.names = FALSE),
                    c(name_dimension(dimension, words), places))
  rows <- setNames(data.frame(
    place, group, plain_share(shares$share, shares$state), say_state(shares$state, words),
    plain_number(shares$value, sum_state(shares$value, shares$exact)),
    say_state(sum_state(shares$value, shares$exact), words)
  ), c(name_dimension("jurisdiction", words), name_dimension(dimension, words), t("column.share"), t("column.reading"),
       t("column.doses"), t("column.reading_doses")))
  cells <- data.frame(
    row = group, column = place, share = shares$share, state = shares$state,
    mark = mark_share(shares$share, shares$state, words),
    tip = paste0(place, ", ", group, ": ", said, " (", t("doses_of", n = doses), ")"), stringsAsFactors = FALSE
  )
  missing <- missing_line(table, words)
  new_figure("shares", title, describe_shares(cells, places, words), shown, rows,
             function(width) draw_bar_matrix("figure-shares", width, groups, places, cells),
             c(missing, notes_of(shares$state, words)))
}

# For each place the largest group.
describe_shares <- function(cells, places, words) {
  parts <- vapply(places, function(place) {
    own <- cells[cells$column == place & !is.na(cells$share), ]
    if (nrow(own) == 0 || max(own$share) == 0) return("")
    best <- own[which.max(own$share), ]
    words$t("shares.summary_place", place = place, group = best$row, share = best$mark)
  }, "")
  parts <- parts[parts != ""]
  if (length(parts) == 0) words$t("shares.summary_hidden") else words$t("shares.summary", who = paste(parts, collapse = "; "))
}
