# A small answer, worked by hand. Two provinces, two vaccines, k = 5:
#
# ON, MMR     2020: 1 year dose 1: F 30, M 20;  2–6 years dose 2: F 10, M hidden (3)
#             2021: 1 year dose 1: F 25, M hidden (4);  2–6 years dose 2: F 15, M 12
# ON, HPV     2021: 12–16 years dose 1: F 40, unknown dose: F hidden (2); its margins are hidden, but not ON's total
# BC, MMR     2020: 1 year dose 1: F 50;  2021: unknown age, unknown dose: F 5
#
# ON: MMR 119, HPV 42, total 161. BC: 55.
cell <- function(place, vaccine, year, age, sex, dose, count) {
  data.frame(
    Jurisdiction = place, OccurrenceYear = year, Age = age, Sex = sex, VaccineType = vaccine,
    VaccineCode = c(MMR = "871831003", "HPV-9" = "20861000087100")[[vaccine]],
    Dose = suppressWarnings(as.integer(dose)), DoseLabel = dose, Count = count, Suppressed = is.na(count),
    ReferenceDate = paste0(year, "-12-31")
  )
}

hand_cells <- function() {
  rbind(
    cell("ON", "MMR", 2020, "1 year", "Female", "1", 30), cell("ON", "MMR", 2020, "1 year", "Male", "1", 20),
    cell("ON", "MMR", 2020, "2–6 years", "Female", "2", 10), cell("ON", "MMR", 2020, "2–6 years", "Male", "2", NA),
    cell("ON", "MMR", 2021, "1 year", "Female", "1", 25), cell("ON", "MMR", 2021, "1 year", "Male", "1", NA),
    cell("ON", "MMR", 2021, "2–6 years", "Female", "2", 15), cell("ON", "MMR", 2021, "2–6 years", "Male", "2", 12),
    cell("ON", "HPV-9", 2021, "12–16 years", "Female", "1", 40),
    cell("ON", "HPV-9", 2021, "12–16 years", "Female", "Unknown", NA),
    cell("BC", "MMR", 2020, "1 year", "Female", "1", 50), cell("BC", "MMR", 2021, "Unknown", "Female", "Unknown", 5)
  )
}

hand_margins <- function() {
  margin <- function(by, rows) list(by = by, rows = rows)
  mmr <- "871831003"
  hpv <- "20861000087100"
  row <- function(place, ..., count) list(Jurisdiction = place, ..., Count = count, Suppressed = is.null(count))
  list(
    margin(c("OccurrenceYear", "VaccineType", "VaccineCode"), list(
      row("ON", OccurrenceYear = 2020, VaccineType = "MMR", VaccineCode = mmr, count = 63),
      row("ON", OccurrenceYear = 2021, VaccineType = "MMR", VaccineCode = mmr, count = 56),
      row("ON", OccurrenceYear = 2021, VaccineType = "HPV-9", VaccineCode = hpv, count = NULL)
    )),
    margin(c("VaccineType", "VaccineCode", "Dose", "DoseLabel"), list(
      row("ON", VaccineType = "MMR", VaccineCode = mmr, Dose = 1, DoseLabel = "1", count = 79),
      row("ON", VaccineType = "MMR", VaccineCode = mmr, Dose = 2, DoseLabel = "2", count = 40),
      row("ON", VaccineType = "HPV-9", VaccineCode = hpv, Dose = NULL, DoseLabel = "Unknown", count = NULL)
    )),
    margin(c("VaccineType", "VaccineCode"), list(
      row("ON", VaccineType = "MMR", VaccineCode = mmr, count = 119),
      row("ON", VaccineType = "HPV-9", VaccineCode = hpv, count = NULL)
    )),
    margin(list(), list(row("ON", count = 161), row("BC", count = 55)))
  )
}

HAND_AGES <- c("Under 1 year", "1 year", "2–6 years", "7–11 years", "12–16 years", "80 years and over", "Unknown")

hand_answer <- function(...) {
  answer <- list(
    data = hand_cells(), errors = list(), margins = hand_margins(),
    sources = list(
      list(jurisdiction = "ON", status = "ok", as_of = "2021-11-26T04:00:00Z", published_at = "2021-11-26T05:00:00Z",
           age_seconds = 60, release_id = 100007, threshold = 5),
      list(jurisdiction = "BC", status = "stale", as_of = "2021-11-20T04:00:00Z",
           published_at = "2021-11-20T05:00:00Z", age_seconds = 600, release_id = 3, threshold = 5),
      list(jurisdiction = "QC", status = "unavailable", as_of = NULL, published_at = NULL, age_seconds = NULL,
           release_id = NULL, threshold = NULL, problem = list(code = "peer-unreachable", title = "away", detail = "no answer"))
    ),
    dictionary = list(
      age_groups = lapply(HAND_AGES, function(age) list(code = age, en = age, fr = paste("FR", age))),
      vaccines = list(
        list(code = "871831003", en = "[MMR] Measles vaccine", fr = "[RRO] vaccin contre la rougeole"),
        list(code = "20861000087100", en = "[HPV-9] Papilloma vaccine", fr = "[VPH-9] vaccin contre le papillome")
      ),
      jurisdictions = list(
        list(code = "ON", en = "Ontario", fr = "Ontario"), list(code = "BC", en = "British Columbia", fr = "C.-B."),
        list(code = "QC", en = "Quebec", fr = "Québec")
      )
    )
  )
  other <- list(...)
  answer[names(other)] <- other
  answer
}

as_json <- function(answer) {
  jsonlite::toJSON(answer, auto_unbox = TRUE, null = "null", na = "null", dataframe = "rows", digits = NA)
}

hand_table <- function(...) read_answer(as_json(hand_answer(...)))

only <- function(...) utils::modifyList(no_filters(), list(...))
