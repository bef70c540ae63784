dictionary <- hand_table()$dictionary

test_that("a view survives its URL", {
  filters <- only(
    jurisdiction = c("BC", "ON"), vaccine = "871831003", age = c("2–6 years", "12–16 years"), sex = "Female",
    from = 2020L, to = 2021L, dose = c("1", "Unknown")
  )
  query <- write_query(filters, list(lang = "fr"))
  expect_equal(query, paste0(
    "?lang=fr&jurisdiction=BC,ON&vaccine=871831003&age=2-6-years,12-16-years&sex=female&from=2020&to=2021",
    "&dose=1,unknown"
  ))
  expect_equal(read_filters(query, dictionary), filters)
})

test_that("the other choices of a view survive its URL, and the usual ones are not in it", {
  view <- list(compare = "dose", order = "doses")
  query <- write_query(no_filters(), c(list(lang = "en"), unusual_view(view)))
  expect_equal(query, "?lang=en&compare=dose&order=doses")
  expect_equal(read_view(shiny::parseQueryString(query)), view)
  expect_equal(read_view(list(compare = "height", order = NULL)), list(compare = "age", order = "jurisdiction"))
  expect_length(unusual_view(read_view(list())), 0)
})

test_that("what the data do not know is dropped", {
  expect_equal(read_filters("?jurisdiction=XX&vaccine=1&age=old&from=1066&to=soon&dose=9", dictionary), no_filters())
  expect_equal(read_filters("", dictionary), no_filters())
})

test_that("everything chosen is nothing chosen, and years are put in order", {
  expect_equal(read_filters("?jurisdiction=BC,ON,QC", dictionary), no_filters())
  expect_equal(read_filters("?from=2021&to=2020", dictionary)[c("from", "to")], list(from = 2020L, to = 2021L))
})

test_that("an unknown year lies in no range", {
  cells <- rbind(hand_cells(), cell("BC", "MMR", NA, "1 year", "Female", "1", 7))
  table <- hand_table(data = cells)
  expect_equal(group_sums(table, only(jurisdiction = "BC"))$value, 62)
  expect_equal(group_sums(table, only(jurisdiction = "BC", from = 2020L))$value, 55)
})
