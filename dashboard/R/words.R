# Everything the pages say, in English or French: sentences from data/i18n.json, numbers and dates as each is written.

LANGUAGES <- c("en", "fr")

read_sentences <- function() {
  jsonlite::fromJSON(file.path(DASHBOARD_HOME, "data", "i18n.json"), simplifyVector = FALSE)
}

SENTENCES <- read_sentences()

# The language a URL asks for, else the first of the browser's that we speak.
language_of <- function(query, accept = "") {
  asked <- query$lang %||% ""
  if (asked %in% LANGUAGES) return(asked)
  spoken <- regmatches(tolower(accept %||% ""), gregexpr("\\b(en|fr)\\b", tolower(accept %||% "")))[[1]]
  if (length(spoken) > 0) spoken[1] else "en"
}

# `words$t(key, name = value)` is the sentence with `{name}` filled in.
words_in <- function(lang, dictionary = NULL) {
  t <- function(key, ...) {
    sentence <- SENTENCES[[key]][[lang]]
    if (is.null(sentence)) stop("no sentence `", key, "` in ", lang, call. = FALSE)
    values <- list(...)
    for (name in names(values)) { # a value may be a vector: then there are as many sentences
      fill <- function(sentence, value) gsub(paste0("{", name, "}"), value, sentence, fixed = TRUE)
      sentence <- mapply(fill, sentence, values[[name]], USE.NAMES = FALSE)
    }
    sentence
  }
  list(
    lang = lang, t = t, dictionary = dictionary,
    number = function(value) format_number(value, lang),
    compact = function(value, digits = 1) format_compact(value, lang, digits),
    percent = function(share, digits = 1) format_percent(share, lang, digits),
    signed = function(share) paste0(ifelse(share > 0, "+", ""), format_percent(share, lang))
  )
}

NBSP <- "\u00a0"

format_number <- function(value, lang) {
  text <- formatC(value, format = "f", digits = 0, big.mark = if (lang == "fr") NBSP else ",")
  sub("^-", "\u2212", text)
}

# For cells too narrow for the whole number: 12,345 is "12.3k", « 12,3 k »; what is exact stands in the table beside.
format_compact <- function(value, lang, digits = 1) {
  scaled <- ifelse(value >= 1e6, value / 1e6, ifelse(value >= 1e4, value / 1e3, value))
  unit <- ifelse(value >= 1e6, "M", ifelse(value >= 1e4, "k", ""))
  text <- ifelse(unit == "", format_number(value, lang), sub("[.]0$", "", formatC(scaled, format = "f", digits = digits)))
  if (lang == "fr") paste0(sub(".", ",", text, fixed = TRUE), ifelse(unit == "", "", paste0(NBSP, unit))) else paste0(text, unit)
}

# With more digits where fewer would make none of what is little, or all of what is nearly all.
format_percent <- function(share, lang, digits = 1) {
  rest <- 100 * pmin(abs(share), abs(1 - share))
  needed <- ifelse(rest > 0 & rest < 0.5 * 10^-digits, pmin(ceiling(-log10(rest)), 9), digits)
  text <- mapply(function(one, digits) formatC(one, format = "f", digits = digits), 100 * share, needed, USE.NAMES = FALSE)
  text <- sub("^-", "\u2212", text)
  if (lang == "fr") paste0(sub(".", ",", text, fixed = TRUE), NBSP, "%") else paste0(text, "%")
}

format_time <- function(text) {
  time <- as.POSIXct(text, format = "%Y-%m-%dT%H:%M:%S", tz = "UTC")
  ifelse(is.na(time), text, format(time, "%Y-%m-%d %H:%M UTC", tz = "UTC"))
}

format_date <- function(text) substr(text, 1, 10)

# How old something is, in the unit one would say.
format_age <- function(seconds, words) {
  one <- function(seconds) {
    if (is.na(seconds)) return(words$t("age.unknown"))
    seconds <- max(0, seconds)
    if (seconds < 5400) return(words$t("age.minutes", n = max(1, round(seconds / 60))))
    if (seconds < 172800) return(words$t("age.hours", n = round(seconds / 3600)))
    words$t("age.days", n = words$number(floor(seconds / 86400)))
  }
  vapply(seconds, one, "")
}

# A sum in words: "7,221", "at least 7,221", or "x (suppressed)".
say_sum <- function(value, exact, words) {
  state <- sum_state(value, exact)
  number <- words$number(ifelse(is.na(value), 0, value))
  ifelse(is.na(value), words$t("value.none"),
    ifelse(state == "exact", number,
      ifelse(state == "at_least", vapply(number, function(one) words$t("value.at_least", n = one), ""),
        words$t("value.hidden"))))
}

# The same, short, for a chart: "7,221", "≥ 7,221", "x".
mark_sum <- function(value, exact, words, compact = FALSE, digits = 1) {
  state <- sum_state(value, exact)
  number <- if (compact) words$compact(value, digits) else words$number(value)
  ifelse(state == "exact", number, ifelse(state == "at_least", paste0("\u2265", NBSP, number), "x"))
}

say_share <- function(share, state, words) {
  percent <- words$percent(ifelse(is.na(share), 0, share))
  ifelse(state == "exact", percent,
    ifelse(state == "at_least", vapply(percent, function(one) words$t("value.at_least", n = one), ""),
      ifelse(state == "of_shown", paste0(percent, NBSP, "\u2020"),
        ifelse(state == "hidden", words$t("value.hidden"), words$t("value.undefined")))))
}

mark_share <- function(share, state, words, digits = 0) {
  percent <- words$percent(ifelse(is.na(share), 0, share), digits)
  ifelse(state == "exact", percent, ifelse(state == "at_least", paste0("\u2265", NBSP, percent),
    ifelse(state == "of_shown", paste0(percent, "\u2020"), ifelse(state == "hidden", "x", "\u2013"))))
}

# How a number of a CSV file is to be read.
say_state <- function(state, words) {
  known <- c(
    exact = words$t("state.exact"), at_least = words$t("state.at_least"), hidden = words$t("state.hidden"),
    of_shown = words$t("state.of_shown"), none = words$t("state.none")
  )
  unname(known[state])
}
