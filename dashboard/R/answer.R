# Reads the federator's answer into the one shape that the measures work on.
#
# cells    one row a cell of the finest table; `count` is NA where the cell is hidden
# margins  released sums: `axis` says by what, besides the vaccine ("vaccine": the vaccine's total; "total": all)
# A cell that is absent is zero; a jurisdiction without a usable source is not.

AXES <- c("year", "age", "sex", "dose")
DIMENSIONS <- c("jurisdiction", "vaccine", AXES)

# Columns of the answer, by our name for them.
COLUMN_OF <- c(
  jurisdiction = "Jurisdiction", vaccine = "VaccineCode", year = "OccurrenceYear",
  age = "Age", sex = "Sex", dose = "DoseLabel"
)

read_answer <- function(text) {
  answer <- jsonlite::fromJSON(text, simplifyDataFrame = TRUE, simplifyMatrix = FALSE)
  for (field in c("data", "sources", "dictionary")) {
    if (is.null(answer[[field]])) stop("the answer has no `", field, "`", call. = FALSE)
  }
  cells <- read_cells(answer$data)
  sources <- read_sources(answer$sources)
  list(
    cells = cells,
    margins = read_margins(answer$margins),
    sources = sources,
    errors = as.character(unlist(answer$errors)),
    dictionary = read_dictionary(answer$dictionary, cells, sources)
  )
}

read_cells <- function(rows) {
  empty <- data.table::data.table(
    jurisdiction = character(), vaccine = character(), type = character(), year = integer(), age = character(),
    sex = character(), dose = character(), count = numeric(), hidden = logical()
  )
  if (length(rows) == 0 || NROW(rows) == 0) return(empty)
  absent <- setdiff(c("Jurisdiction", "Age", "Sex", "VaccineType", "DoseLabel", "Count"), names(rows))
  if (length(absent) > 0) stop("rows lack ", paste(absent, collapse = ", "), call. = FALSE)
  count <- as.numeric(rows$Count)
  hidden <- is.na(count)
  if (!is.null(rows$Suppressed)) hidden <- hidden | rows$Suppressed %in% TRUE
  count[hidden] <- NA
  data.table::data.table(
    jurisdiction = as.character(rows$Jurisdiction), vaccine = vaccine_key(rows), type = as.character(rows$VaccineType),
    year = as.integer(rows$OccurrenceYear %||% NA), age = as.character(rows$Age), sex = as.character(rows$Sex),
    dose = as.character(rows$DoseLabel), count = count, hidden = hidden
  )
}

# What tells vaccines apart: the code, or the type where there is none (`Unmapped`).
vaccine_key <- function(rows) {
  type <- as.character(rows$VaccineType %||% rep(NA, nrow(rows)))
  code <- as.character(rows$VaccineCode %||% rep(NA, nrow(rows)))
  ifelse(is.na(code) | code == "", type, code)
}

read_margins <- function(margins) {
  shapes <- if (is.data.frame(margins)) split_rows(margins) else margins
  parts <- lapply(shapes, function(margin) {
    rows <- margin$rows
    if (length(rows) == 0 || NROW(rows) == 0) return(NULL)
    by <- setdiff(unlist(margin$by), c("Jurisdiction", "ReferenceDate"))
    axis <- axis_of(by)
    if (is.null(axis)) return(NULL) # a kind of sum that these pages have no use for
    key <- if (axis %in% AXES) as.character(rows[[key_column(axis, rows)]]) else ""
    count <- as.numeric(rows$Count %||% NA)
    hidden <- is.na(count) | rows$Suppressed %in% TRUE
    data.table::data.table(
      jurisdiction = as.character(rows$Jurisdiction %||% margin$jurisdiction),
      vaccine = if (axis == "total") NA_character_ else vaccine_key(rows),
      axis = axis, label = key, count = ifelse(hidden, NA, count), hidden = hidden
    )
  })
  empty <- data.table::data.table(
    jurisdiction = character(), vaccine = character(), axis = character(), label = character(),
    count = numeric(), hidden = logical()
  )
  data.table::rbindlist(c(list(empty), parts))
}

split_rows <- function(frame) lapply(seq_len(nrow(frame)), function(i) lapply(frame, function(column) column[[i]]))

axis_of <- function(by) {
  if (length(by) == 0) return("total")
  vaccine <- by %in% c("VaccineType", "VaccineCode")
  if (!any(vaccine)) return(NULL)
  rest <- by[!vaccine]
  if (length(rest) == 0) return("vaccine")
  axis <- unique(ifelse(rest %in% c("Dose", "DoseLabel"), "dose", names(COLUMN_OF)[match(rest, COLUMN_OF)]))
  if (length(axis) == 1 && axis %in% AXES) axis else NULL
}

key_column <- function(axis, rows) {
  if (axis == "dose" && is.null(rows$DoseLabel)) "Dose" else COLUMN_OF[[axis]]
}

read_sources <- function(sources) {
  column <- function(name) {
    values <- sources[[name]]
    if (is.numeric(values)) format(values, scientific = FALSE, trim = TRUE) else as.character(values %||% rep(NA, NROW(sources)))
  }
  told <- function(name) read_problem(sources$problem, name, NROW(sources))
  data.frame(
    jurisdiction = column("jurisdiction"), status = column("status"),
    as_of = column("as_of"), published_at = column("published_at"), release_id = known_text(column("release_id")),
    threshold = as.integer(known_text(column("threshold"))), problem = told("code"), detail = told("detail"),
    stringsAsFactors = FALSE
  )
}

known_text <- function(text) ifelse(text == "NA", NA, text)

# A source's problem is an object (RFC 9457), or a line of text.
read_problem <- function(problem, name, rows) {
  if (is.data.frame(problem)) return(as.character(problem[[name]] %||% rep(NA, rows)))
  if (is.list(problem)) {
    return(vapply(problem, function(one) as.character(if (is.list(one)) one[[name]] %||% NA else NA)[1], ""))
  }
  as.character(if (name == "detail") problem %||% rep(NA, rows) else rep(NA, rows))
}

# Names and order of everything that can be chosen. What occurs in the data and not in the dictionary is added.
read_dictionary <- function(dictionary, cells, sources) {
  terms <- read_terms(dictionary$age_groups)
  ages <- union(terms$code, unique(cells$age))
  ages <- c(setdiff(ages, "Unknown"), if ("Unknown" %in% ages) "Unknown")
  years <- sort(unique(cells$year))
  doses <- unique(cells$dose)
  numbered <- sort(suppressWarnings(as.integer(doses)))
  list(
    ages = ages, age_terms = terms,
    vaccines = name_vaccines(dictionary$vaccines, cells),
    jurisdictions = name_jurisdictions(dictionary$jurisdictions, cells, sources),
    sexes = c("Female", "Male", "Other", "Unknown"),
    years = if (length(years) > 0) seq(min(years), max(years)) else integer(),
    doses = c(as.character(numbered), intersect(c("Mixed", "Unknown"), doses))
  )
}

# Values with their names: `[{code, en, fr}]`, or the values alone.
read_terms <- function(terms) {
  if (is.data.frame(terms)) return(data.frame(code = terms$code, en = terms$en, fr = terms$fr, stringsAsFactors = FALSE))
  codes <- as.character(unlist(terms))
  data.frame(code = codes, en = codes, fr = rep(NA_character_, length(codes)), stringsAsFactors = FALSE)
}

name_vaccines <- function(names, cells) {
  known <- read_terms(names)
  used <- unique(cells[, c("vaccine", "type")])
  used <- used[!duplicated(used$vaccine), ]
  at <- match(used$vaccine, known$code)
  named <- data.frame(
    code = used$vaccine, type = used$type,
    en = ifelse(is.na(at), used$type, known$en[at]), fr = ifelse(is.na(at), used$type, known$fr[at]),
    stringsAsFactors = FALSE
  )
  # "[MMR] Measles, mumps and rubella vaccine": the catalogue puts the abbreviation of the language in front.
  short <- function(name) ifelse(grepl("^\\[[^]]+\\]", name), sub("^\\[([^]]+)\\].*", "\\1", name), named$type)
  named$short_en <- distinct(short(named$en), named$type)
  named$short_fr <- distinct(short(named$fr), named$type)
  named[order(named$code == "Unmapped", tolower(named$short_en)), ]
}

# Two vaccines may share an abbreviation ("Inf"); then the type, and if need be a number, tells them apart.
distinct <- function(short, type) {
  short <- as.character(short)
  twice <- short %in% short[duplicated(short)]
  short[twice] <- ifelse(short[twice] == type[twice], short[twice], paste0(short[twice], " (", type[twice], ")"))
  make.unique(short, sep = " ")
}

name_jurisdictions <- function(names, cells, sources) {
  if (is.character(names)) names <- data.frame(code = names, en = names, fr = names)
  codes <- union(sources$jurisdiction, unique(cells$jurisdiction))
  at <- match(codes, names$code)
  fallback <- match(codes, PROVINCES$code)
  pick <- function(language) {
    given <- as.character(names[[language]] %||% rep(NA, NROW(names)))[at]
    ifelse(is.na(given) | given == codes, ifelse(is.na(fallback), codes, PROVINCES[[language]][fallback]), given)
  }
  named <- data.frame(code = codes, en = pick("en"), fr = pick("fr"), stringsAsFactors = FALSE)
  named[order(match(named$code, PROVINCES$code), named$code), ]
}

`%||%` <- function(a, b) if (is.null(a)) b else a
