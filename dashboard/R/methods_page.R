# The page of methods: what is counted, what is hidden, how each measure is defined, and the dictionary.

methods_page <- function(table, words, settings) {
  tags <- htmltools::tags
  t <- words$t
  part <- function(id, heading, ...) {
    tags$section(class = "panel panel-wide", `aria-labelledby` = id, tags$h2(id = id, heading), ...)
  }
  measures <- c("trend", "age_dose", "shares", "progression", "on_time", "quality")
  vaccines <- table$dictionary$vaccines
  htmltools::tagList(
    part("m-counted", t("methods.counted"), tags$p(t("methods.counted_text")), tags$p(t("methods.age_text")), tags$p(t("methods.not_here"))),
    part("m-hidden", t("methods.hidden"), tags$p(t("methods.hidden_text")), tags$p(t("methods.sums_text")),
         tags$p(t("methods.thresholds", thresholds = say_thresholds(table)))),
    part("m-partial", t("methods.partial"), tags$p(t("methods.partial_text"))),
    part("m-measures", t("methods.measures"), tags$dl(class = "definitions", lapply(measures, function(id) {
      htmltools::tagList(tags$dt(card_heading(id, words)), tags$dd(card_definition(id, words)))
    }))),
    part("m-ages", t("methods.ages"), tags$p(paste(name_groups(table$dictionary$ages, "age", words), collapse = " · "))),
    part("m-vaccines", t("methods.vaccines"), html_table(setNames(data.frame(
      vaccine_names(vaccines$code, words), vaccines$code, vaccine_names(vaccines$code, words, long = TRUE)
    ), c(name_dimension("vaccine", words), t("column.code"), t("column.name"))), t("methods.vaccines"))),
    part("m-version", t("methods.version"), tags$p(t("methods.version_text", version = settings$version)),
         tags$p(t("file.licence")))
  )
}
