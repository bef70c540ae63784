table <- hand_table()
sum_of <- function(...) {
  sums <- group_sums(table, only(...))
  paste(sums$value, if (sums$exact) "exact" else "at least")
}

test_that("a sum over hidden cells takes the released margin of exactly that group", {
  expect_equal(sum_of(), "216 exact") # 161 (total of ON) + 55
  expect_equal(sum_of(jurisdiction = "ON", vaccine = "871831003"), "119 exact")
  expect_equal(sum_of(vaccine = "871831003", from = 2020L, to = 2020L), "113 exact") # 63 + 50
  expect_equal(sum_of(vaccine = "871831003", from = 2020L), "174 exact") # 63 + 56 + 50 + 5
  expect_equal(sum_of(vaccine = "871831003", dose = "2"), "40 exact")
})

test_that("without a margin a sum is at least what is visible", {
  expect_equal(sum_of(jurisdiction = "ON", vaccine = "20861000087100"), "40 at least")
  expect_equal(sum_of(jurisdiction = "ON", from = 2021L), "96 at least") # 56 by margin, 40 of HPV visible
  expect_equal(sum_of(sex = "Male"), "32 at least") # no margin by sex was released
  expect_equal(sum_of(vaccine = "871831003", from = 2020L, to = 2020L, dose = "2"), "10 at least") # two axes
})

test_that("a sum without hidden cells is exact, and an absent group is zero", {
  expect_equal(sum_of(jurisdiction = "BC"), "55 exact")
  expect_equal(sum_of(age = "1 year", from = 2020L, to = 2020L), "100 exact")
  expect_equal(sum_of(age = "80 years and over"), "0 exact")
})

test_that("a group of nothing but hidden cells is hidden, not zero", {
  sums <- group_sums(table, only(vaccine = "20861000087100", dose = "Unknown"))
  expect_equal(sum_state(sums$value, sums$exact), "hidden")
  expect_equal(sums$hidden, 1)
})

test_that("groups are summed each by itself", {
  sums <- group_sums(table, no_filters(), "year")
  expect_equal(sums$value[match(c(2020, 2021), sums$year)], c(113, 101)) # 63+50; 56+5+40 visible
  expect_equal(sums$exact[match(c(2020, 2021), sums$year)], c(TRUE, FALSE))
  both <- group_sums(table, no_filters(), c("jurisdiction", "vaccine"))
  expect_equal(both$value[both$jurisdiction == "ON" & both$vaccine == "871831003"], 119)
})

test_that("absent groups are filled in, in the order given", {
  sums <- complete_groups(group_sums(table, no_filters(), "age"), list(age = table$dictionary$ages))
  expect_equal(sums$age, table$dictionary$ages)
  expect_equal(sums$value, c(0, 125, 37, 0, 40, 0, 5))
  expect_equal(sums$exact, c(TRUE, FALSE, FALSE, TRUE, FALSE, TRUE, TRUE))
})
