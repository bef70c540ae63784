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
    compact = function(value, digits = 1, down = FALSE) format_compact(value, lang, digits, down),
    percent = function(share, digits = 1, down = FALSE) format_percent(share, lang, digits, down),
    signed = function(share) paste0(ifelse(share > 0, "+", ""), format_percent(share, lang))
  )
}

NBSP <- "\u00a0"

format_number <- function(value, lang) {
  text <- formatC(value, format = "f", digits = 0, big.mark = if (lang == "fr") NBSP else ",")
  sub("^-", "\u2212", text)
}

# For cells too narrow for the whole number: 12,345 is "12.3k", « 12,3 k »; what is exact stands in the table beside.
# `down`: a lower bound is never rounded up.
format_compact <- function(value, lang, digits = 1, down = FALSE) {
  unit_of <- function(value) ifelse(value >= 1e6, 1e6, ifelse(value >= 1e4, 1e3, 1))
  step <- pmax(unit_of(value) / 10^digits, 1)
  value <- (if (down) floor else round)(value / step) * step
  unit <- unit_of(value) # after rounding: 999,960 is "1M"
  sign <- ifelse(unit == 1e6, "M", ifelse(unit == 1e3, "k", ""))
  text <- ifelse(unit == 1, format_number(value, lang), sub("[.]0$", "", formatC(value / unit, format = "f", digits = digits)))
  if (lang == "fr") paste0(sub(".", ",", text, fixed = TRUE), ifelse(sign == "", "", paste0(NBSP, sign))) else paste0(text, sign)
}

# With more digits where fewer would make none of what is little, or all of what is nearly all. `down`: a lower bound is
# never rounded up.
format_percent <- function(share, lang, digits = 1, down = FALSE) {
  rest <- 100 * if (down) abs(share) else pmin(abs(share), abs(1 - share))
  least <- (if (down) 1 else 0.5001) * 10^-digits # less is written with more digits; a half may be rounded either way
  needed <- ifelse(rest > 0 & rest < least, pmin(ceiling(-log10(rest)), 9), digits)
  percent <- 100 * share
  if (down) percent <- floor(percent * 10^needed + 1e-9) / 10^needed # 100 * 0.29 is a little less than 29
  text <- mapply(function(one, digits) formatC(one, format = "f", digits = digits), percent, needed, USE.NAMES = FALSE)
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
  number <- function(down) if (compact) words$compact(value, digits, down) else words$number(value)
  ifelse(state == "exact", number(FALSE), ifelse(state == "at_least", paste0("\u2265", NBSP, number(TRUE)), "x"))
}

percent_of <- function(share, state, words, digits) {
  share <- ifelse(is.na(share), 0, share)
  ifelse(state == "at_least", words$percent(share, digits, down = TRUE), words$percent(share, digits))
}

say_share <- function(share, state, words) {
  percent <- percent_of(share, state, words, 1)
  ifelse(state == "exact", percent,
    ifelse(state == "at_least", vapply(percent, function(one) words$t("value.at_least", n = one), ""),
      ifelse(state == "of_shown", paste0(percent, NBSP, "\u2020"),
        ifelse(state == "hidden", words$t("value.hidden"), words$t("value.undefined")))))
}

mark_share <- function(share, state, words, digits = 0) {
  percent <- percent_of(share, state, words, digits)
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
