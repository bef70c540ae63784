# What groups are called on the pages.

name_groups <- function(keys, dimension, words, long = FALSE) {
  switch(dimension,
    jurisdiction = name_places(keys, words),
    vaccine = vaccine_names(keys, words, long),
    age = vapply(as.character(keys), name_age, "", words = words, USE.NAMES = FALSE),
    sex = name_known(keys, c(
      Female = words$t("sex.female"), Male = words$t("sex.male"), Other = words$t("sex.other"),
      Unknown = words$t("unknown")
    )),
    dose = name_doses(keys, words),
    year = ifelse(is.na(keys), words$t("unknown.feminine"), as.character(keys))
  )
}

name_known <- function(keys, known) {
  ifelse(keys %in% names(known), unname(known[keys]), keys)
}

# As the dictionary says, else as the project's own table does.
name_places <- function(codes, words) {
  at <- match(codes, words$dictionary$jurisdictions$code)
  ours <- PROVINCES[[words$lang]][match(codes, PROVINCES$code)]
  ifelse(!is.na(at), words$dictionary$jurisdictions[[words$lang]][at], ifelse(is.na(ours), codes, ours))
}

vaccine_names <- function(codes, words, long = FALSE) {
  vaccines <- words$dictionary$vaccines
  at <- match(codes, vaccines$code)
  name <- vaccines[[if (long) words$lang else paste0("short_", words$lang)]][at]
  name <- ifelse(is.na(at), codes, name)
  ifelse(codes == "Unmapped", words$t("unmapped"), name)
}

# As the dictionary says; else "2–6 years" is « 2 à 6 ans », and a label of another form stays as it is.
name_age <- function(label, words) {
  if (label == "Unknown") return(words$t("unknown"))
  terms <- words$dictionary$age_terms
  given <- terms[[words$lang]][match(label, terms$code)]
  if (length(given) == 1 && !is.na(given)) return(given)
  if (words$lang == "en") return(label)
  range <- regmatches(label, regexec("^([0-9]+)\\s*[\u2013-]\\s*([0-9]+)( years?)?$", label))[[1]]
  if (length(range) > 0) return(words$t("age_group.range", from = range[2], to = range[3]))
  for (form in c("^Under ([0-9]+) years?$", "^([0-9]+) years? and over$", "^([0-9]+) years?$")) {
    found <- regmatches(label, regexec(form, label))[[1]]
    if (length(found) == 0) next
    if (startsWith(form, "^Under")) return(words$t("age_group.under", n = found[2], years = years_of(found[2], words)))
    if (grepl("over", form)) return(words$t("age_group.over", n = found[2], years = years_of(found[2], words)))
    return(words$t("age_group.one", n = found[2], years = years_of(found[2], words)))
  }
  label
}

years_of <- function(number, words) if (number == "1") words$t("year.one") else words$t("year.many")

name_doses <- function(labels, words) {
  known <- c(Mixed = words$t("dose.mixed"), Unknown = words$t("unknown.feminine"))
  ifelse(labels %in% names(known), unname(known[labels]), vapply(labels, function(n) words$t("dose.number", n = n), ""))
}

name_dimension <- function(dimension, words) {
  unname(c(
    jurisdiction = words$t("dimension.jurisdiction"), vaccine = words$t("dimension.vaccine"),
    age = words$t("dimension.age"), sex = words$t("dimension.sex"), year = words$t("dimension.year"),
    dose = words$t("dimension.dose")
  )[dimension])
}

# The filters in words, one part a dimension; "all doses" without any.
say_filters <- function(filters, words) {
  part <- function(dimension) {
    chosen <- filters[[dimension]]
    if (length(chosen) == 0) return(NULL)
    words$t("filters.part", what = name_dimension(dimension, words),
            values = paste(name_groups(chosen, dimension, words), collapse = ", "))
  }
  years <- if (!is.na(filters$from) || !is.na(filters$to)) {
    ends <- ifelse(is.na(c(filters$from, filters$to)), "\u2026", c(filters$from, filters$to))
    words$t("filters.part", what = name_dimension("year", words), values = paste(ends, collapse = "\u2013"))
  }
  parts <- c(part("jurisdiction"), part("vaccine"), part("age"), part("sex"), years, part("dose"))
  if (length(parts) == 0) words$t("filters.none") else paste(parts, collapse = " · ")
}
