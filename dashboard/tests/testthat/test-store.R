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
sources_of <- function(ON, BC) { # as /sources says it
  one <- function(place, status) list(jurisdiction = place, status = status, problem = list(code = "peer-unreachable", detail = "d"))
  sources_in(list(status = 200L, body = as_json(list(sources = list(one("ON", ON), one("BC", BC))))))
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
  sources <- sources_of(ON = "suspended", BC = "unavailable")
  store <- new_store(settings(), answers(good(), failed("problem.no_source", "", sources)), log = quiet)
  store$refresh()
  store$refresh()
  table <- now_is(store)$table
  expect_equal(unique(table$cells$jurisdiction), "BC")
  expect_equal(reporting(table), "BC")
  expect_equal(doses_recorded(table, no_filters())$value, 55)
})

test_that("when no source has data, what is remembered is old and nobody is said to report", {
  all_ok <- hand_answer()
  all_ok$sources <- lapply(all_ok$sources[1:2], function(one) utils::modifyList(one, list(status = "ok")))
  first <- list(kind = "new", body = as_json(all_ok), etag = "a")
  down <- failed("problem.no_source", "", sources_of(ON = "unavailable", BC = "invalid"))
  store <- new_store(settings(), answers(first, down, failed("problem.unreachable", ""), first), log = quiet)
  english <- words_in("en", hand_table()$dictionary)
  expect_next <- function(pattern) {
    store$refresh()
    state <- now_is(store)
    said <- as.character(key_figures(state$table, no_filters(), english, Sys.time(), state$problem))
    expect_match(said, pattern)
  }
  expect_next("2 of 2.*All sources report")
  expect_next("2 of 2.*With older data: 2")
  table <- now_is(store)$table
  expect_equal(table$sources$status, c("stale", "stale"))
  expect_equal(say_problem(table$sources, english)[2], "does not answer")
  expect_equal(doses_recorded(table, no_filters())$value, 216)
  expect_match(figure_map(table, no_filters(), english, Sys.time())$summary, "Ontario (old data)", fixed = TRUE)
  expect_next("With older data: 2")
  expect_next("All sources report")
})

test_that("that all report is not claimed while the federator is silent", {
  table <- hand_table()
  table$sources <- table$sources[1, ]
  for (lang in LANGUAGES) {
    words <- words_in(lang, table$dictionary)
    said <- as.character(key_figures(table, no_filters(), words, Sys.time(), "problem.unreachable"))
    expect_false(grepl(words$t("key.all_report"), said, fixed = TRUE))
    expect_match(said, words$t("key.last_heard"), fixed = TRUE)
  }
})

test_that("a start without any source names them all", {
  store <- new_store(settings(), answers(failed("problem.no_source", "", sources_of(ON = "unavailable", BC = "invalid"))), log = quiet)
  store$refresh()
  texts <- vapply(warnings_of(now_is(store), Sys.time(), words_in("en", empty_table()$dictionary)), `[[`, "", "text")
  expect_equal(texts[2], "Sources: Ontario (no data), British Columbia (data refused).")
})

test_that("what was taken out comes back whole when the suspension ends", {
  sources <- sources_of(ON = "suspended", BC = "unavailable")
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
