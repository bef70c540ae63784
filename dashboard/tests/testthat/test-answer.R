table <- hand_table()

test_that("a hidden cell has no number", {
  expect_equal(sum(table$cells$hidden), 3)
  expect_true(all(is.na(table$cells$count[table$cells$hidden])))
  told <- hand_cells()
  told$Count[1] <- 3
  told$Suppressed[1] <- TRUE # a number beside the mark is not believed
  expect_true(is.na(hand_table(data = told)$cells$count[1]))
})

test_that("margins are read by what they sum over", {
  expect_equal(sort(unique(table$margins$axis)), c("dose", "total", "vaccine", "year"))
  expect_equal(table$margins$count[table$margins$axis == "total"], c(161, 55))
})

test_that("the dictionary names in both languages and keeps the order of age groups", {
  expect_equal(table$dictionary$ages[c(1, 7)], c("Under 1 year", "Unknown"))
  expect_equal(table$dictionary$vaccines$short_fr, c("VPH-9", "RRO"))
  expect_equal(table$dictionary$jurisdictions$code, c("BC", "ON", "QC"))
  expect_equal(table$dictionary$doses, c("1", "2", "Unknown"))
})

test_that("codes alone are named by the project's own table", {
  answer <- hand_answer()
  answer$dictionary$jurisdictions <- c("ON", "BC", "QC")
  expect_equal(read_answer(as_json(answer))$dictionary$jurisdictions$fr, c("Colombie-Britannique", "Ontario", "Québec"))
})

test_that("an answer without data is read, one without its parts is refused", {
  empty <- hand_table(data = list(), margins = list())
  expect_equal(nrow(empty$cells), 0)
  expect_equal(group_sums(empty, no_filters())$value, 0)
  expect_error(read_answer('{"data": []}'), "sources")
  expect_error(read_answer("<html>"))
})

test_that("a source's problem and release are read, and said in the reader's language", {
  sources <- table$sources
  expect_equal(sources$release_id, c("100007", "3", NA))
  expect_equal(sources$problem, c(NA, NA, "peer-unreachable"))
  expect_equal(say_problem(sources, words_in("fr", table$dictionary)), c(NA, NA, "ne répond pas"))
  expect_equal(say_problem(data.frame(problem = "internal", detail = "a fault"), words_in("fr", table$dictionary)),
               "le fédérateur a eu une défaillance interne")
  waiting <- data.frame(problem = "peer-unreachable", detail = c(
    "it has not been asked yet", "its aggregator has no release to give at present", "its aggregator could not be reached", NA
  ))
  expect_equal(say_problem(waiting, words_in("en", table$dictionary)),
               c("has not been asked yet", "has no release to give at present", "does not answer", "does not answer"))
  expect_equal(say_status(c("stale", "half-asleep"), words_in("fr", table$dictionary)), c("données anciennes", "état inconnu"))
  odd <- data.frame(problem = "new-code", detail = "something else")
  expect_equal(say_problem(odd, words_in("fr", table$dictionary)), "something else")
})
