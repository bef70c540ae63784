settings <- function() list(last_good_file = tempfile("last-good"), federator_url = "", timeout_seconds = 1)
quiet <- function(...) NULL
answers <- function(...) {
  list <- list(...)
  function(settings, etag) {
    one <- list[[1]]
    list <<- list[-1]
    one
  }
}
good <- function() list(kind = "new", body = as_json(hand_answer()), etag = "a")
now_is <- function(store) shiny::isolate(store$state())

test_that("the last good table stays when the federator does not answer", {
  clock <- as.POSIXct("2026-11-27 12:00:00", tz = "UTC")
  store <- new_store(settings(), answers(good(), failed("problem.unreachable", "")), function() clock, quiet)
  store$refresh()
  clock <- clock + 600
  store$refresh()
  expect_equal(nrow(now_is(store)$table$cells), 12)
  expect_equal(now_is(store)$problem, "problem.unreachable")
  expect_equal(format(now_is(store)$heard_at, tz = "UTC"), "2026-11-27 12:00:00")
})

test_that("an answer that cannot be read replaces nothing", {
  store <- new_store(settings(), answers(good(), list(kind = "new", body = "<html>", etag = "b")), log = quiet)
  store$refresh()
  store$refresh()
  expect_equal(nrow(now_is(store)$table$cells), 12)
  expect_equal(now_is(store)$problem, "problem.answer")
})

test_that("an answer that has not changed ends the alarm", {
  store <- new_store(settings(), answers(good(), failed("problem.unreachable", ""), list(kind = "unchanged")), log = quiet)
  for (i in 1:3) store$refresh()
  expect_null(now_is(store)$problem)
})

test_that("a restart finds the last good table with its time", {
  kept <- settings()
  new_store(kept, answers(good()), log = quiet)$refresh()
  Sys.setFileTime(kept$last_good_file, as.POSIXct("2026-11-01 12:00:00", tz = "UTC"))
  store <- new_store(kept, answers(failed("problem.unreachable", "")), log = quiet)
  store$restore()
  store$refresh()
  expect_equal(now_is(store)$table$dictionary$ages, hand_table()$dictionary$ages)
  warning <- warnings_of(now_is(store), Sys.time(), words_in("en", now_is(store)$table$dictionary))[[1]]
  expect_match(warning$text, "as of 2026-11-01 12:00 UTC")
})

test_that("without any data the page says so", {
  store <- new_store(settings(), answers(failed("problem.unreachable", "")), log = quiet)
  store$restore()
  store$refresh()
  expect_match(warnings_of(now_is(store), Sys.time(), words_in("en"))[[1]]$text, "no data to show: the federator does not answer")
})

test_that("a suspended province leaves also what is remembered", {
  sources <- data.frame(jurisdiction = c("ON", "BC"), status = c("suspended", "unavailable"))
  store <- new_store(settings(), answers(good(), failed("problem.no_source", "", sources)), log = quiet)
  store$refresh()
  store$refresh()
  table <- now_is(store)$table
  expect_equal(unique(table$cells$jurisdiction), "BC")
  expect_equal(reporting(table), "BC")
  expect_equal(doses_recorded(table, no_filters())$value, 55)
})

test_that("what was taken out comes back whole when the suspension ends", {
  sources <- data.frame(jurisdiction = c("ON", "BC"), status = c("suspended", "unavailable"))
  asked <- list()
  next_answer <- answers(good(), failed("problem.no_source", "", sources), good())
  store <- new_store(settings(), function(settings, etag) {
    asked[[length(asked) + 1]] <<- if (is.null(etag)) "whole" else "if changed"
    next_answer(settings, etag)
  }, log = quiet)
  for (i in 1:3) store$refresh()
  expect_equal(unlist(asked), c("whole", "if changed", "whole"))
  expect_equal(reporting(now_is(store)$table), c("ON", "BC"))
})

test_that("warnings name who is missing and who is old", {
  state <- list(table = hand_table(), problem = NULL)
  texts <- vapply(warnings_of(state, as.POSIXct("2021-11-26 12:00", tz = "UTC"), words_in("en", state$table$dictionary)),
                  `[[`, "", "text")
  expect_equal(texts, c("The national figures exclude Quebec (no data).",
                        "Older data are shown for British Columbia (as of 2021-11-20, 6 days old)."))
})
