english <- words_in("en", hand_table()$dictionary)
french <- words_in("fr", hand_table()$dictionary)
plain <- function(text) gsub(NBSP, " ", text, fixed = TRUE)

test_that("every sentence stands in both languages, with the same blanks", {
  blanks <- function(text) sort(unlist(regmatches(text, gregexpr("\\{[a-z_]+\\}", text))))
  for (key in names(SENTENCES)) {
    expect_setequal(names(SENTENCES[[key]]), LANGUAGES)
    expect_true(all(nzchar(unlist(SENTENCES[[key]]))), label = key)
    expect_equal(blanks(SENTENCES[[key]]$en), blanks(SENTENCES[[key]]$fr), label = key)
  }
})

test_that("every sentence is used, and every one that is used exists", {
  code <- unlist(lapply(list.files(file.path(DASHBOARD_HOME, "R"), full.names = TRUE), readLines))
  literals <- unlist(regmatches(code, gregexpr('(?<=t\\(")[a-z_.]+(?=")', code, perl = TRUE)))
  used <- unique(literals[literals %in% names(SENTENCES) | grepl(".", literals, fixed = TRUE)])
  expect_setequal(setdiff(used, c(names(SENTENCES), "page.", "level.")), character())
  built <- grepl("^(page|level|problem)[.]", names(SENTENCES)) # keys put together while running
  expect_setequal(setdiff(names(SENTENCES)[!built], used), character())
})

test_that("French is written as Canada's federal institutions write it", {
  french <- vapply(SENTENCES, function(sentence) sentence$fr, "")
  wrong <- function(pattern) names(french)[grepl(pattern, french, perl = TRUE)]
  expect_equal(wrong("[^\u00a0][:\u00bb]|\u00ab[^\u00a0]"), character()) # a no-break space before : and inside « »
  expect_equal(wrong("\\s[;!?]|[\u00a0\u202f][;!?]"), character()) # and none before ; ! ?
  expect_equal(wrong("['\"]|[0-9]%|(^|[ (])(Etat|A |Age)"), character()) # typographic signs, accents on capitals
})

test_that("what is unknown agrees with its noun", {
  expect_equal(name_groups(NA_integer_, "year", french), "Inconnue")
  expect_equal(unname(name_groups("Unknown", "dose", french)), "Inconnue")
  expect_equal(name_groups("Unknown", "sex", french), "Inconnu")
})

test_that("numbers, shares and dates are written as each language writes them", {
  expect_equal(english$number(1234567), "1,234,567")
  expect_equal(plain(french$number(1234567)), "1 234 567")
  expect_equal(english$percent(0.1234), "12.3%")
  expect_equal(plain(french$percent(0.1234)), "12,3 %")
  expect_equal(english$compact(c(950, 12345, 2500000)), c("950", "12.3k", "2.5M"))
  expect_equal(plain(french$compact(c(950, 12345))), c("950", "12,3 k"))
})

test_that("a sum says what it is", {
  expect_equal(say_sum(c(7221, 7221, 0, 0, NA), c(TRUE, FALSE, FALSE, TRUE, NA), english),
               c("7,221", "at least 7,221", "x (suppressed)", "0", "no data"))
  expect_equal(plain(say_sum(c(7221, 0), c(FALSE, FALSE), french)), c("au moins 7 221", "x (supprimé)"))
  expect_equal(plain(mark_sum(c(12, 0), c(FALSE, FALSE), english)), c("≥ 12", "x"))
})

test_that("a small share is not written as none, nor nearly all as all", {
  expect_equal(english$percent(c(0, 0.0003, 0.00004, 0.9997, 1, -0.0002)), c("0.0%", "0.03%", "0.004%", "99.97%", "100.0%", "\u22120.02%"))
  expect_equal(mark_share(c(0.998, 1), rep("exact", 2), english), c("99.8%", "100%"))
  expect_equal(mark_share(c(0.001, 0, 0.25), rep("exact", 3), english), c("0.1%", "0%", "25%"))
})

test_that("a half is rounded neither to none nor to all, and a thousand thousands are a million", {
  expect_equal(mark_share(c(0.005, 0.995), rep("exact", 2), english), c("0.5%", "99.5%"))
  expect_equal(say_share(c(0.0005, 0.9995), rep("exact", 2), english), c("0.05%", "99.95%"))
  expect_equal(english$compact(c(999960, 999940, 9999)), c("1M", "999.9k", "9,999"))
})

test_that("a lower bound is never rounded up", {
  expect_equal(plain(mark_sum(c(11660, 11660), c(FALSE, TRUE), english, TRUE, 0)), c("\u2265 11k", "12k"))
  expect_equal(plain(mark_sum(c(11660, 999960, 1999999, 9), rep(FALSE, 4), french, TRUE)),
               paste("\u2265", c("11,6 k", "999,9 k", "1,9 M", "9")))
  at_least <- rep("at_least", 6)
  shares <- c(0.29, 0.2967, 0.9996, 0.0078, 0.00078, 1)
  expect_equal(plain(mark_share(shares, at_least, english)), paste("\u2265", c("29%", "29%", "99%", "0.7%", "0.07%", "100%")))
  expect_equal(say_share(shares, at_least, english), paste("at least", c("29.0%", "29.6%", "99.9%", "0.7%", "0.07%", "100.0%")))
})

test_that("groups have French names", {
  expect_equal(name_age("1 year", french), "FR 1 year") # as the dictionary says
  french$dictionary$age_terms <- NULL
  names <- vapply(c("Under 1 year", "1 year", "2–6 years", "7–11", "80 years and over", "Unknown"), name_age, "", french)
  expect_equal(unname(names), c("Moins de 1 an", "1 an", "2 à 6 ans", "7 à 11 ans", "80 ans et plus", "Inconnu"))
  expect_equal(vaccine_names(c("871831003", "Unmapped"), french), c("RRO", "Vaccin sans correspondance"))
  expect_equal(name_places("QC", french), "Québec")
})

test_that("the language comes from the URL, else from the browser", {
  expect_equal(language_of(list(lang = "fr"), "en"), "fr")
  expect_equal(language_of(list(lang = "de"), "de-CH, fr-CA;q=0.8"), "fr")
  expect_equal(language_of(list(), NULL), "en")
})
