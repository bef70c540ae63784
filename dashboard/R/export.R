# What leaves the page as a file says by itself what it is: filters, age, threshold, dictionary, how to read hidden cells.

# The lines that every file carries; `url` is the address of the view.
file_notes <- function(figure, table, filters, words, version, synthetic, url, now) {
  places <- in_view(table, filters)
  c(
    words$t("file.title", title = figure$title),
    if (synthetic) words$t("file.synthetic"),
    words$t("file.filters", filters = say_filters(filters, words)),
    words$t("file.as_of", as_of = say_as_of(table, words, places)),
    missing_line(table, words),
    absent_line(table, words),
    words$t("file.threshold", thresholds = say_thresholds(table, places)),
    words$t("file.hidden"),
    vapply(figure$notes, function(note) words$t("file.note", note = note), "", USE.NAMES = FALSE),
    words$t("file.ages", ages = paste(name_groups(table$dictionary$ages, "age", words), collapse = ", ")),
    words$t("file.licence"),
    words$t("file.made", time = format(now, "%Y-%m-%d %H:%M UTC", tz = "UTC"), version = version, url = url)
  )
}

missing_line <- function(table, words) {
  missing <- setdiff(table$sources$jurisdiction, reporting(table))
  if (length(missing) > 0) words$t("file.missing", who = paste(name_places(missing, words), collapse = ", "))
}

# Who is no source at all is in no figure either.
absent_line <- function(table, words) {
  absent <- setdiff(PROVINCES$code, table$sources$jurisdiction)
  if (length(absent) > 0) words$t("key.absent", n = length(absent), all = nrow(PROVINCES))
}

# The dictionary of vaccines in view, a line each: abbreviation, code, name.
vaccine_lines <- function(filters, words) {
  vaccines <- words$dictionary$vaccines
  if (length(filters$vaccine) > 0) vaccines <- vaccines[vaccines$code %in% filters$vaccine, ]
  sprintf("%s = %s, %s", vaccine_names(vaccines$code, words), vaccines$code, vaccines[[words$lang]])
}

# Comment lines start with `#`; then one header row and the data. A mark of the byte order lets spreadsheets read it.
csv_text <- function(rows, notes) {
  field <- function(text) {
    text <- ifelse(is.na(text), "", as.character(text))
    text <- ifelse(grepl("^[=+@]", text), paste0("'", text), text) # no formula, whatever a label says
    quoted <- grepl("[\",\r\n]", text)
    ifelse(quoted, paste0('"', gsub('"', '""', text, fixed = TRUE), '"'), text)
  }
  lines <- do.call(paste, c(lapply(rows, field), sep = ","))
  paste0("\ufeff", paste(c(
    paste("#", gsub("[\r\n]+", " ", notes)), paste(field(names(rows)), collapse = ","), if (nrow(rows) > 0) lines, ""
  ), collapse = "\r\n"))
}

# Bytes as they are, whatever the locale.
write_bytes <- function(text, file) {
  connection <- file(file, "wb")
  on.exit(close(connection))
  writeBin(charToRaw(enc2utf8(text)), connection)
}

plain_number <- function(value, state) {
  ifelse(state %in% c("hidden", "none"), ifelse(state == "hidden", "x", ""),
    formatC(value, format = "f", digits = 0, big.mark = ""))
}

# A share or a change with so many digits that neither little becomes none, nor nearly all becomes all.
plain_share <- function(share, state) {
  ifelse(state == "hidden", "x", ifelse(state == "none", "", trimws(formatC(share, format = "fg", digits = 10))))
}
