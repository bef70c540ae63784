# Doses by age at vaccination and dose, as a grid of numbers with shades.

figure_age_dose <- function(table, filters, words) {
  t <- words$t
  title <- t("age_dose.title")
  grid <- if (length(in_view(table, filters)) > 0) by_age_and_dose(table, filters)
  if (is.null(grid) || nrow(grid) == 0) return(no_figure("age_dose", title, nothing_to_show(table, filters, words)))
  grid <- as.data.frame(grid)
  grid$state <- sum_state(grid$value, grid$exact)
  ages <- unique(grid$age)
  doses <- unique(grid$dose)
  age_names <- name_groups(ages, "age", words)
  dose_names <- name_groups(doses, "dose", words)
  said <- matrix(say_sum(grid$value, grid$exact, words), ncol = length(doses), byrow = TRUE)
  shown <- setNames(data.frame(age_names, said, check.names = FALSE), c(t("column.age"), dose_names))
  rows <- setNames(data.frame(
    name_groups(grid$age, "age", words), name_groups(grid$dose, "dose", words), plain_number(grid$value, grid$state),
    say_state(grid$state, words), grid$hidden
  ), c(t("column.age"), name_dimension("dose", words), t("column.doses"), t("column.reading"), t("column.hidden")))
  most <- grid[which.max(grid$value), ]
  summary <- if (most$value == 0) t("age_dose.summary_hidden") else {
    t("age_dose.summary", age = name_groups(most$age, "age", words), dose = name_groups(most$dose, "dose", words),
      n = say_sum(most$value, most$exact, words), hidden = sum(grid$state == "hidden"))
  }
  new_figure("age_dose", title, summary, shown, rows,
             function(width) draw_age_dose(grid, ages, doses, age_names, dose_names, words, width),
             notes_of(grid$state, words))
}

draw_age_dose <- function(grid, ages, doses, age_names, dose_names, words, width) {
  size <- if (width < 480) 10 else 12
  label <- min(max(text_width(age_names, size)) + 12, width * 0.34)
  column <- (width - label) / length(doses)
  line <- 27
  head <- 26
  narrow <- column < 84
  fits <- max(text_width(dose_names, size)) <= column - 4
  head_size <- if (fits) size else size - 1
  # Where the names do not fit, a dose's number stands for it, under the word in the corner.
  heads <- if (fits) dose_names else ifelse(grepl("[0-9]", dose_names), gsub("[^0-9+]", "", dose_names), dose_names)
  corner <- if (fits) "" else name_dimension("dose", words)
  marks <- mark_sum(grid$value, grid$exact, words, narrow, if (column < 55) 0 else 1)
  mark_size <- ifelse(text_width(marks, size) > column - 4, size - 2, size)
  most <- max(grid$value, 1)
  i <- match(grid$age, ages)
  j <- match(grid$dose, doses)
  x <- label + (j - 1) * column
  y <- head + (i - 1) * line
  strength <- sqrt(grid$value / most)
  fill <- ifelse(grid$state == "hidden", hatch("figure-age_dose", "hidden"),
                 ifelse(grid$value == 0, "#f7f9fb", shade(strength)))
  ink <- ifelse(strength > 0.55 & grid$state != "hidden", PAPER, INK)
  tips <- paste0(name_groups(grid$age, "age", words), ", ", name_groups(grid$dose, "dose", words), ": ",
                 say_sum(grid$value, grid$exact, words))
  list(
    body = c(
      if (nzchar(corner)) svg_text(label - 8, 16, corner, head_size, "end", weight = "600"),
      svg_text(label + (seq_along(doses) - 0.5) * column, 16, fit_text(heads, column - 2, head_size), head_size, "middle",
               weight = "600"),
      svg_text(label - 8, head + (seq_along(ages) - 1) * line + 18, fit_text(age_names, label - 8, size), size, "end"),
      svg_rect(x + 1, y + 1, column - 2, line - 2, fill, round = 2, tip = tips),
      svg_text(x + column / 2, y + 18, marks, mark_size, "middle", ink)
    ),
    height = head + line * length(ages) + 4
  )
}

# From pale to blue, without the shades between on which no ink is easy to read.
shade <- function(strength) {
  strength <- pmin(pmax(strength, 0), 1)
  dark <- strength > 0.55
  mix <- function(from, to, at) {
    rgb <- grDevices::colorRamp(c(from, to), space = "Lab")(at)
    grDevices::rgb(rgb[, 1], rgb[, 2], rgb[, 3], maxColorValue = 255)
  }
  ifelse(dark, mix("#2a68a3", "#123a63", (strength - 0.55) / 0.45 * dark), mix("#e3edf7", "#94bce0", strength / 0.55 * !dark))
}
