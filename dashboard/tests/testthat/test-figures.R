table <- hand_table()
words <- words_in("en", table$dictionary)
now <- as.POSIXct("2021-11-26 12:00", tz = "UTC")
plain <- function(text) gsub(NBSP, " ", text, fixed = TRUE)
all_figures <- function(filters, words) {
  list(
    figure_trend(table, filters, words), figure_age_dose(table, filters, words), figure_map(table, filters, words, now),
    figure_shares(table, filters, words, "vaccine"), figure_progression(table, filters, words),
    figure_on_time(table, filters, words, read_schedule()), figure_quality(table, filters, words)
  )
}

test_that("every figure is drawn at every width, in both languages, as well-formed SVG", {
  for (lang in LANGUAGES) for (filters in list(no_filters(), only(sex = "Male"), only(jurisdiction = "QC"))) {
    for (figure in all_figures(filters, words_in(lang, table$dictionary))) {
      expect_true(nzchar(figure$summary))
      if (figure$empty) next
      for (width in c(300, 1600)) expect_match(draw_figure(figure, width, "a footer"), "^<svg .*</svg>$")
      expect_equal(sum(grepl("NA|NaN", unlist(figure$table))), 0, label = figure$id)
    }
  }
})

test_that("the table of a figure says what is hidden and what is a lower bound", {
  trend <- figure_trend(table, only(jurisdiction = "ON"), words)
  expect_equal(trend$table[[1]], c("2020", "2021 (incomplete)"))
  expect_equal(trend$table[[2]], c("63", "at least 96"))
  grid <- figure_age_dose(table, only(vaccine = "20861000087100"), words)
  expect_equal(grid$table[["Unknown"]][grid$table[[1]] == "12–16 years"], "x (suppressed)")
  expect_equal(grid$table[["Unknown"]][grid$table[[1]] == "1 year"], "0")
})

test_that("a mark's tip tells the mark's own number", {
  drawn <- draw_figure(figure_map(table, no_filters(), words, now), 800)
  expect_match(drawn, 'data-tip="Ontario: reporting, doses: 161"', fixed = TRUE)
  expect_match(drawn, 'data-tip="British Columbia: old data, doses: 55"', fixed = TRUE)
  expect_match(draw_figure(figure_shares(table, no_filters(), words, "vaccine"), 800),
               'data-tip="Ontario, MMR: 73.9% (doses: 119)"', fixed = TRUE)
})

test_that("who does not report has no figure, and is told apart from having no doses", {
  expect_match(figure_trend(table, only(jurisdiction = "QC"), words)$summary, "not a zero")
  expect_match(figure_trend(table, only(age = "80 years and over"), words)$summary, "No dose is recorded")
})

test_that("of who does not report every figure and file says so, and no key figure is zero", {
  qc <- only(jurisdiction = "QC")
  for (figure in all_figures(qc, words)) {
    if (figure$id == "map") next
    expect_equal(figure$summary, words$t("empty.not_reporting"), label = figure$id)
    lines <- file_notes(figure, table, qc, words, "1", TRUE, "http://here/", now)
    expect_true(paste("Note:", words$t("empty.not_reporting")) %in% lines, label = figure$id)
  }
  keys <- as.character(key_figures(table, qc, words, now))
  expect_false(grepl("0 of 0|for all in view", keys))
  expect_equal(lengths(regmatches(keys, gregexpr(">no data<", keys))), 2) # doses, hidden cells
  map <- figure_map(table, only(jurisdiction = c("ON", "QC")), words, now)$rows
  expect_equal(map$Reading[match(c("ON", "QC", "BC", "YT"), map$Code)], c("exact", "no data", "not in view", "not in view"))
})

test_that("doses of unknown year are told beside the bars, and are not called none", {
  of_no_year <- hand_table(data = rbind(hand_cells(), cell("BC", "MMR", NA, "7–11 years", "Female", "1", 70)), margins = list())
  bc <- only(jurisdiction = "BC")
  trend <- figure_trend(of_no_year, bc, words)
  expect_equal(trend$rows$Doses, c("50", "5"))
  expect_true("Doses of unknown year, in no bar: 70." %in% trend$notes)
  alone <- figure_trend(of_no_year, only(age = "7–11 years"), words)
  expect_true(alone$empty)
  expect_equal(alone$summary, "Doses of unknown year, in no bar: 70.")
  bc$from <- 2020L
  expect_false(any(grepl("unknown year", c(figure_trend(of_no_year, bc, words)$notes, figure_trend(table, no_filters(), words)$notes))))
})

test_that("a figure names the filters that it leaves aside, also in its file", {
  filters <- only(from = 2020L, to = 2021L, dose = "1", age = "1 year", sex = "Female")
  female <- hand_table(data = rbind(hand_cells()[hand_cells()$Sex == "Female", ], cell("BC", "MMR", 2021, "1 year", "Female", "2", 7)))
  lines_of <- function(figure) file_notes(figure, table, filters, words, "1", TRUE, "http://here/", now)
  expect_true("Note: Filter not applied in this figure: Year: 2020\u2013\u2026 · Dose: Dose 1." %in%
                lines_of(figure_progression(female, filters, words)))
  expect_true("Note: Filter not applied in this figure: Age group: 1 year." %in%
                lines_of(figure_on_time(female, filters, words, read_schedule())))
  for (figure in all_figures(only(to = 2021L, sex = "Female"), words)) expect_false(any(grepl("not applied", figure$notes)))
})

test_that("what is all hidden is not called the most of anything", {
  hidden <- only(jurisdiction = "ON", vaccine = "20861000087100", dose = "Unknown")
  for (lang in LANGUAGES) {
    said <- words_in(lang, table$dictionary)
    expect_equal(figure_age_dose(table, hidden, said)$summary, said$t("age_dose.summary_hidden"))
    expect_equal(figure_shares(table, hidden, said, "age")$summary, said$t("shares.summary_hidden"))
  }
  hidden$from <- 2020L
  cells <- hand_cells()
  cells$OccurrenceYear <- 2020
  drawn <- figure_trend(hand_table(data = cells), hidden, words)
  expect_equal(drawn$summary, "Doses recorded by year of vaccination, 2020. The latest complete year, 2020: x (suppressed).")
  expect_false(grepl(">1<", draw_figure(drawn, 500), fixed = TRUE)) # no number on the axis that could be taken for it
})

test_that("no label is cut on a phone: it goes above its bar, a column's name in two lines", {
  label <- "DTaP-IPV-Hib, dose 1, < 2 years and a half"
  cells <- data.frame(row = label, column = c("British Columbia", "Newfoundland and Labrador"), share = 0.5, state = "exact",
                      mark = "50%", tip = "50%")
  drawn <- paste(draw_bar_matrix("f", 330, label, cells$column, cells)$body, collapse = "")
  expect_match(drawn, escape(label), fixed = TRUE)
  for (part in c(">British Columbia<", ">Newfoundland and <", ">Labrador<")) expect_match(drawn, part, fixed = TRUE)
  expect_false(grepl("\u2026", drawn))
})

test_that("one share is no range", {
  one <- figure_progression(table, no_filters(), words)
  expect_equal(sum(one$rows$Dose == 2), 1)
  expect_equal(one$summary, words$t("progression.summary", year = 2021))
})

test_that("numbers are ranged right, whatever qualifies them; dates and names are not", {
  expect_true(are_numbers(c("1,234", "at least 12", "x (suppressed)", "\u2013", "+2.5%", paste0("12,3", NBSP, "%"))))
  expect_false(are_numbers(c("2026-11-27", "\u2013")))
  expect_false(are_numbers(c("x (suppressed)", "\u2013")))
})

test_that("the map knows all thirteen, and says the state of each", {
  map <- figure_map(table, no_filters(), words, now)
  expect_equal(nrow(map$table), 13)
  state <- setNames(map$table[[2]], map$table[[1]])
  expect_equal(state[["Quebec"]], "no data")
  expect_equal(state[["British Columbia"]], "old data")
  expect_equal(state[["Yukon"]], "not participating")
})

test_that("a file carries filters, age, threshold and dictionary, and hides what is hidden", {
  figure <- figure_age_dose(table, only(vaccine = "20861000087100"), words)
  notes <- file_notes(figure, table, only(vaccine = "20861000087100"), words, "1", TRUE, "http://here/", now)
  text <- csv_text(figure$rows, c(notes, vaccine_lines(only(vaccine = "20861000087100"), words)))
  lines <- strsplit(text, "\r\n")[[1]]
  expect_match(text, "# Filters: Vaccine: HPV-9", fixed = TRUE)
  expect_match(text, "# Data as of: ON 2021-11-26 04:00 UTC, BC 2021-11-20 04:00 UTC", fixed = TRUE)
  expect_match(text, "# Not included, no data: Quebec", fixed = TRUE)
  expect_match(text, "# Suppression threshold, in people and doses: ON 5, BC 5", fixed = TRUE)
  expect_match(text, "# HPV-9 = 20861000087100, [HPV-9] Papilloma vaccine", fixed = TRUE)
  expect_true("12–16 years,Unknown,x,suppressed,1" %in% lines)
})

test_that("a file says beside each number of doses how it is to be read", {
  timely <- figure_on_time(table, no_filters(), words, read_schedule())$rows
  mmr <- unlist(timely[timely$Code == "871831003", -(1:6)], use.names = FALSE)
  expect_equal(mmr, c("125", "at least", "129", "exact"))
  quality <- figure_quality(table, no_filters(), words)$rows
  expect_equal(unlist(quality[quality[[1]] == "Dose number unknown or mixed", c("Doses", "Reading of doses")], use.names = FALSE),
               c("5", "at least"))
  for (rows in list(timely, quality)) expect_false(any(duplicated(names(rows))))
})

test_that("data quality has a dash where a filter would decide the answer", {
  quality <- figure_quality(table, only(sex = "Female"), words)
  sex <- quality$table[[1]] == "Sex unknown"
  expect_equal(unlist(quality$table[sex, -1], use.names = FALSE), c("\u2013", "\u2013"))
  expect_equal(unlist(quality$rows[sex, -1], use.names = FALSE), c("", "not defined", "", "not defined"))
  expect_false(grepl("NA", csv_text(quality$rows, character())))
  expect_equal(quality$table[[3]][quality$table[[1]] == "Age unknown"], "5")
})

test_that("a file rounds no share to none or all, and no change to no change", {
  expect_equal(plain_share(c(2.5e-5, 0.99997, 1 - 1e-8, 0, 1), rep("exact", 5)), c("0.000025", "0.99997", "0.99999999", "0", "1"))
  expect_equal(plain_share(c(NA, NA_real_), c("hidden", "none")), c("x", ""))
  cells <- rbind(cell("BC", "MMR", 2019, "1 year", "Female", "1", 100000), cell("BC", "MMR", 2020, "1 year", "Female", "1", 100001))
  rows <- figure_trend(hand_table(data = cells, margins = list()), no_filters(), words)$rows
  expect_equal(rows[["Change on the year before"]], c("", "0.00001"))
})

test_that("who takes no part is counted as missing, on the page and in files", {
  for (said in list(
    c("Not participating: 10 of 13 provinces and territories", "en"),
    c(paste0("Ne participent pas", NBSP, ": 10 provinces et territoires sur 13"), "fr")
  )) {
    spoken <- words_in(said[2], table$dictionary)
    expect_match(as.character(key_figures(table, no_filters(), spoken, now)), said[1], fixed = TRUE)
    expect_true(said[1] %in% file_notes(figure_map(table, no_filters(), spoken, now), table, no_filters(), spoken, "1", TRUE, "", now))
  }
  everybody <- table
  everybody$sources <- data.frame(jurisdiction = PROVINCES$code)
  expect_null(absent_line(everybody, words))
})

test_that("a label is no formula and no markup", {
  expect_match(csv_text(data.frame(a = '=1+"1"'), character()), "\"'=1+\"\"1\"\"\"", fixed = TRUE)
  expect_match(svg_text(0, 0, "<b>&"), "&lt;b&gt;&amp;", fixed = TRUE)
})
