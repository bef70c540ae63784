# Which jurisdictions report, and what a page must say of those that do not.

# One row a source, with its age in seconds, its rows and hidden cells.
source_rows <- function(table, now) {
  sources <- table$sources
  sources <- sources[order(match(sources$jurisdiction, table$dictionary$jurisdictions$code)), ]
  as_of <- as.POSIXct(sources$as_of, format = "%Y-%m-%dT%H:%M:%S", tz = "UTC")
  sources$age_seconds <- as.numeric(difftime(now, as_of, units = "secs"))
  counts <- table$cells[, list(cells = .N, hidden = sum(hidden)), by = "jurisdiction"]
  at <- match(sources$jurisdiction, counts$jurisdiction)
  sources$cells <- ifelse(is.na(at), 0L, counts$cells[at])
  sources$hidden <- ifelse(is.na(at), 0L, counts$hidden[at])
  sources
}

say_status <- function(status, words) {
  known <- c(
    ok = words$t("status.ok"), stale = words$t("status.stale"), unavailable = words$t("status.unavailable"),
    invalid = words$t("status.invalid"), suspended = words$t("status.suspended")
  )
  ifelse(status %in% names(known), unname(known[status]), words$t("status.other"))
}

# What is wrong with a source: in the reader's language where the code is known, else as the federator says it.
say_problem <- function(sources, words) {
  known <- c(
    `peer-unreachable` = words$t("source.unreachable"), `source-timeout` = words$t("source.timeout"),
    `peer-fault` = words$t("source.fault"), `peer-untrusted` = words$t("source.untrusted"),
    `release-invalid` = words$t("source.invalid"), `release-outdated` = words$t("source.outdated"),
    `source-suspended` = words$t("source.suspended"), internal = words$t("source.internal")
  )
  # The federator has one code for three things; only one of them is that nobody answers.
  finer <- c(
    `it has not been asked yet` = words$t("source.not_asked"),
    `its aggregator has no release to give at present` = words$t("source.no_release")
  )
  is_finer <- sources$problem %in% "peer-unreachable" & sources$detail %in% names(finer)
  told <- ifelse(is.na(sources$detail), sources$problem, sources$detail)
  ifelse(is_finer, unname(finer[sources$detail]), ifelse(sources$problem %in% names(known), unname(known[sources$problem]), told))
}

# The warnings above every page, the worst first: list(level, text).
warnings_of <- function(state, now, words) {
  warnings <- list()
  warn <- function(level, text) warnings[[length(warnings) + 1]] <<- list(level = level, text = text)
  if (!is.null(state$problem)) {
    why <- words$t(state$problem)
    warn("danger", if (is.null(state$table)) words$t("warning.no_data", why = why) else {
      words$t("warning.last_good", why = why, time = format(state$heard_at, "%Y-%m-%d %H:%M UTC", tz = "UTC"))
    })
  }
  name <- function(rows) paste(sprintf("%s (%s)", name_places(rows$jurisdiction, words), say_status(rows$status, words)),
                               collapse = ", ")
  if (is.null(state$table)) {
    if (NROW(state$sources) > 0) warn("warning", words$t("warning.no_source", who = name(state$sources)))
    return(warnings)
  }
  rows <- source_rows(state$table, now)
  missing <- rows[!rows$status %in% c("ok", "stale"), ]
  if (nrow(missing) > 0) warn("warning", words$t("warning.missing", who = name(missing)))
  stale <- rows[rows$status == "stale", ]
  if (nrow(stale) > 0) {
    who <- sprintf("%s (%s)", name_places(stale$jurisdiction, words),
                   vapply(seq_len(nrow(stale)), function(i) {
                     words$t("as_of_age", date = format_date(stale$as_of[i]), age = format_age(stale$age_seconds[i], words))
                   }, ""))
    warn("notice", words$t("warning.stale", who = paste(who, collapse = ", ")))
  }
  warnings
}

# "ON 2026-11-27, BC 2026-11-20": the age of what is shown, as downloads carry it.
say_as_of <- function(table, words, places = reporting(table)) {
  sources <- table$sources[table$sources$jurisdiction %in% places, ]
  paste(sprintf("%s %s", sources$jurisdiction, format_time(sources$as_of)), collapse = ", ")
}

say_thresholds <- function(table, places = reporting(table)) {
  sources <- table$sources[table$sources$jurisdiction %in% places & !is.na(table$sources$threshold), ]
  paste(sprintf("%s %d", sources$jurisdiction, sources$threshold), collapse = ", ")
}
