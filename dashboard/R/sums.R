# Sums of doses that say what they are: exact, or "at least" where a hidden cell is in them.
#
# A group is cut into parts that may have a released margin: one jurisdiction, one vaccine and at most one further
# axis. A part without hidden cells is the sum of its cells; else its margin, where that is shown; else the sum of what
# is visible, a lower bound. No upper bound is made of the threshold: a hidden cell may be large.

# One row a group of `by`: `value`, whether it is `exact`, the doses in `visible` cells, and how many cells are `hidden`.
group_sums <- function(table, filters, by = character()) {
  axes <- union(intersect(by, AXES), chosen_axes(filters))
  key <- unique(c("jurisdiction", "vaccine", by, axes))
  cells <- select_cells(table$cells, filters)
  parts <- cells[, list(visible = sum(count, na.rm = TRUE), hidden = sum(hidden)), by = key]
  parts$value <- parts$visible
  parts$exact <- parts$hidden == 0
  if (length(axes) <= 1) parts <- use_margins(parts, table$margins, axes)
  sums <- parts[, list(value = sum(value), exact = all(exact), visible = sum(visible), hidden = sum(hidden)),
                by = c(unique(c("jurisdiction", by)))]
  if (length(axes) == 0 && length(filters$vaccine) == 0 && !"vaccine" %in% by) {
    sums <- use_totals(sums, table$margins)
  }
  if (length(by) == 0) {
    return(data.table::data.table(
      value = sum(sums$value), exact = all(sums$exact), visible = sum(sums$visible), hidden = sum(sums$hidden)
    ))
  }
  sums[, list(value = sum(value), exact = all(exact), visible = sum(visible), hidden = sum(hidden)), by = by]
}

# Parts with hidden cells take their vaccine's margin on that axis, where it is shown.
use_margins <- function(parts, margins, axis) {
  if (all(parts$exact)) return(parts)
  kind <- if (length(axis) == 0) "vaccine" else axis
  shown <- margins[margins$axis == kind & !margins$hidden]
  label <- function(jurisdiction, vaccine, key) paste(jurisdiction, vaccine, key, sep = "\r")
  key <- if (length(axis) == 0) "" else as.character(parts[[axis]])
  at <- match(label(parts$jurisdiction, parts$vaccine, key), label(shown$jurisdiction, shown$vaccine, shown$label))
  use <- !parts$exact & !is.na(at)
  parts$value[use] <- shown$count[at[use]]
  parts$exact[use] <- TRUE
  parts
}

# A jurisdiction's sum over everything is its total, also where a vaccine's own is hidden.
use_totals <- function(sums, margins) {
  totals <- margins[margins$axis == "total" & !margins$hidden]
  at <- match(sums$jurisdiction, totals$jurisdiction)
  use <- !sums$exact & !is.na(at)
  sums$value[use] <- totals$count[at[use]]
  sums$exact[use] <- TRUE
  sums
}

# How a sum is to be read: "exact", "at_least", or "hidden" where nothing of it is visible.
sum_state <- function(value, exact) ifelse(exact, "exact", ifelse(value > 0, "at_least", "hidden"))

# Every combination of `labels` (a named list, its order kept): a group that is absent is zero.
complete_groups <- function(sums, labels) {
  grid <- do.call(data.table::CJ, c(labels, sorted = FALSE))
  filled <- merge(grid, sums, by = names(labels), all.x = TRUE, sort = FALSE)
  at <- do.call(order, lapply(names(labels), function(name) match(filled[[name]], labels[[name]])))
  filled <- filled[at]
  absent <- is.na(filled$value)
  filled$value[absent] <- 0
  filled$visible[absent] <- 0
  filled$hidden[absent] <- 0L
  filled$exact[absent] <- TRUE
  filled
}
