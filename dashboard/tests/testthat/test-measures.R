table <- hand_table()
mmr <- "871831003"
hpv <- "20861000087100"

test_that("doses recorded of a jurisdiction that does not report are unknown, not zero", {
  expect_equal(doses_recorded(table, no_filters())$value, 216)
  expect_true(is.na(doses_recorded(table, only(jurisdiction = "QC"))$value))
  expect_equal(doses_recorded(table, only(jurisdiction = c("BC", "QC")))$value, 55)
})

test_that("the year of the oldest data in view and later ones are incomplete", {
  expect_equal(incomplete_from(table, no_filters()), 2021L)
  expect_equal(trend(table, no_filters())$incomplete, c(FALSE, TRUE))
})

test_that("a year without doses is a gap of zero", {
  cells <- rbind(hand_cells(), cell("BC", "MMR", 2018, "1 year", "Female", "1", 60))
  years <- trend(hand_table(data = cells), only(jurisdiction = "BC"))
  expect_equal(years$year, 2018:2021)
  expect_equal(years$value, c(60, 0, 50, 5))
})

test_that("year on year needs two exact, complete years and a base of 20", {
  expect_equal(
    year_on_year(c(100, 150, 19, 38, 40, 60, 66), c(TRUE, TRUE, TRUE, TRUE, FALSE, TRUE, TRUE), c(rep(FALSE, 6), TRUE)),
    c(NA, 0.5, -131 / 150, NA, NA, NA, NA)
  )
})

test_that("doses by age and dose keep the order of the groups", {
  grid <- by_age_and_dose(table, only(vaccine = mmr))
  expect_equal(unique(grid$age), table$dictionary$ages)
  expect_equal(unique(grid$dose), c("1", "2", "Unknown"))
  toddlers <- grid[grid$age == "1 year" & grid$dose == "1", ]
  expect_equal(toddlers$value, 125) # 30 + 20 + 25 + 50; one hidden
  expect_false(toddlers$exact)
})

test_that("a share says what it is a share of", {
  sums <- function(value, exact, visible, hidden) data.frame(value, exact, visible, hidden)
  share <- function(part, whole) share_of(part, whole)
  expect_equal(share(sums(30, TRUE, 30, 0), sums(120, TRUE, 100, 2)), data.frame(share = 0.25, state = "exact"))
  expect_equal(share(sums(30, FALSE, 30, 1), sums(120, TRUE, 100, 2)), data.frame(share = 0.25, state = "at_least"))
  expect_equal(share(sums(30, TRUE, 30, 0), sums(120, FALSE, 120, 2)), data.frame(share = 0.25, state = "of_shown"))
  expect_equal(share(sums(0, FALSE, 0, 1), sums(120, TRUE, 100, 2))$state, "hidden")
  expect_equal(share(sums(0, FALSE, 0, 1), sums(120, FALSE, 120, 2))$state, "hidden")
  expect_equal(share(sums(0, TRUE, 0, 0), sums(0, TRUE, 0, 0))$state, "none")
  expect_equal(share(sums(0, FALSE, 0, 1), sums(0, FALSE, 0, 1))$state, "hidden")
  expect_equal(share(sums(0, TRUE, 0, 0), sums(0, FALSE, 0, 1)), data.frame(share = 0, state = "exact")) # nothing is there
})

test_that("jurisdictions are compared by shares within each", {
  shares <- shares_by_jurisdiction(table, only(vaccine = mmr), "dose")
  one <- function(place, dose) shares[shares$jurisdiction == place & shares$dose == dose, ]
  expect_equal(one("ON", "1")$share, 79 / 119)
  expect_equal(one("ON", "2")$share, 40 / 119)
  expect_equal(one("BC", "1")$share, 50 / 55)
  expect_equal(one("BC", "2")$share, 0)
  expect_equal(unique(shares$jurisdiction), c("BC", "ON")) # QC does not report
  expect_null(shares_by_jurisdiction(table, only(jurisdiction = "QC"), "dose"))
})

test_that("progression is measured against the first dose, over all years up to the last in view", {
  rows <- progression(table, no_filters())
  expect_equal(rows$vaccine, c(mmr, mmr)) # HPV has no second dose
  expect_equal(rows$value, c(129, 40)) # 79 + 50; 40
  expect_equal(rows$ratio, c(1, 40 / 129))
  early <- progression(table, only(from = 2020L, to = 2020L, dose = "2"))
  expect_equal(early$value, c(100, 10))
  expect_equal(early$state, c("exact", "at_least"))
  expect_equal(progression(table, only(sex = "Male"))$state, c("none", "none")) # the first dose is not known
})

test_that("a group ends before a birthday", {
  expect_equal(
    group_end(c("Under 1 year", "1 year", "2–6 years", "7–11", "80 years and over", "Unknown")),
    c(1, 2, 7, 12, Inf, NA)
  )
})

test_that("on-time share counts the doses of one number given before a birthday", {
  schedule <- data.frame(vaccine = c(mmr, mmr, hpv), dose = c(1L, 2L, 1L), before_birthday = c(2, 7, 17))
  rows <- on_time(table, only(age = "80 years and over"), schedule)
  expect_equal(rows$vaccine, c(hpv, mmr, mmr))
  expect_equal(rows$share[rows$vaccine == mmr], c(125 / 129, 37 / 40))
  expect_equal(rows$state[rows$vaccine == mmr], c("at_least", "at_least"))
  expect_equal(rows[rows$vaccine == hpv, "share"], 1)
  late <- data.frame(vaccine = mmr, dose = 1L, before_birthday = 3)
  expect_null(on_time(table, no_filters(), late)) # no group is cut at the third birthday
})

test_that("completeness is the share of doses without a value", {
  rows <- completeness(table, no_filters())
  share <- function(dimension) rows[rows$dimension == dimension, ]
  expect_equal(share("age")$share, 5 / 216)
  expect_equal(share("dose")$share, 5 / 216)
  expect_equal(share("dose")$state, "at_least")
  expect_equal(share("year")$share, 0)
})

test_that("completeness says nothing of what a filter chooses", {
  undefined <- function(...) with(completeness(table, only(...)), dimension[is.na(value) & is.na(share) & state == "none"])
  expect_equal(undefined(sex = "Female"), "sex")
  expect_equal(undefined(from = 2020L, vaccine = mmr), c("year", "vaccine"))
  expect_equal(undefined(age = "1 year", to = 2021L, dose = "1"), c("year", "age", "dose"))
  rows <- completeness(table, only(sex = "Female"))
  expect_equal(rows$value[rows$dimension == "age"], 5)
})

test_that("splitting the same doses into finer groups changes no measure", {
  coarse <- cell("BC", "MMR", 2020, "1 year", "Female", "1", 100)
  fine <- do.call(rbind, lapply(1:10, function(i) cell("BC", "MMR", 2020, "1 year", "Female", "1", 10)))
  expect_equal(
    trend(hand_table(data = coarse), only(jurisdiction = "BC"))$value,
    trend(hand_table(data = fine), only(jurisdiction = "BC"))$value
  )
})

test_that("hidden cells are counted", {
  expect_equal(cells_in_view(table, no_filters()), list(all = 12L, hidden = 3L))
})
