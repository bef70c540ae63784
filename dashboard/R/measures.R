# The measures of the pages. Each is a pure function of the table and the filters; none speaks of people, and none
# needs to know how many people there are: what counts alone cannot answer is not here.

# The fewest doses a change or a progression may be measured against.
LEAST_BASE <- 20

# The jurisdictions whose doses are in the table.
reporting <- function(table) {
  table$sources$jurisdiction[table$sources$status %in% c("ok", "stale")]
}

# The jurisdictions that the filters look at and that report; without any there is no number, not even zero.
in_view <- function(table, filters) {
  if (length(filters$jurisdiction) == 0) reporting(table) else intersect(filters$jurisdiction, reporting(table))
}

doses_recorded <- function(table, filters) {
  if (length(in_view(table, filters)) == 0) return(list(value = NA_real_, exact = NA, visible = NA_real_, hidden = NA))
  as.list(group_sums(table, filters))
}

# The first year that is not over in the data of some jurisdiction in view.
incomplete_from <- function(table, filters) {
  as_of <- table$sources$as_of[table$sources$jurisdiction %in% in_view(table, filters)]
  years <- suppressWarnings(as.integer(substr(as_of, 1, 4)))
  if (all(is.na(years))) NA_integer_ else min(years, na.rm = TRUE)
}

# Doses by year, gaps as zeros, with the change to the year before where it means something.
trend <- function(table, filters) {
  sums <- group_sums(table, filters, "year")
  known <- sums[!is.na(sums$year)]
  if (nrow(known) == 0) return(known[, c("year", "value", "exact", "visible", "hidden")])
  years <- complete_groups(known, list(year = seq(min(known$year), max(known$year))))
  years$incomplete <- years$year >= incomplete_from(table, filters)
  years$change <- year_on_year(years$value, years$exact, years$incomplete)
  years
}

# Doses of no known year, which no bar of the trend holds; no row where there are none.
unknown_year <- function(table, filters) {
  sums <- group_sums(table, filters, "year")
  sums[is.na(sums$year)]
}

# (N of the year - N of the year before) / N of the year before, of consecutive years.
year_on_year <- function(value, exact, incomplete) {
  before <- c(NA, utils::head(value, -1))
  sure <- exact & c(FALSE, utils::head(exact, -1)) & !incomplete
  ifelse(sure & !is.na(before) & before >= LEAST_BASE, (value - before) / before, NA_real_)
}

# Doses by age group at vaccination and dose, every combination.
by_age_and_dose <- function(table, filters) {
  sums <- group_sums(table, filters, c("age", "dose"))
  ages <- table$dictionary$ages
  if (length(filters$age) > 0) ages <- intersect(ages, filters$age)
  doses <- intersect(table$dictionary$doses, unique(sums$dose))
  if (length(doses) == 0) return(NULL)
  complete_groups(sums, list(age = ages, dose = doses))
}

# Parts of a whole, both as they come from `group_sums`:
# "exact"      both known
# "at_least"   the whole known, of the part only what is visible
# "of_shown"   the whole not known: the share among the doses that are shown
# A part of which nothing is there is none of the whole, whatever that is.
# "hidden"     nothing of the part is visible;  "none"  there is no whole
share_of <- function(part, whole) {
  zero <- part$exact & part$value == 0
  state <- ifelse(whole$exact & whole$value == 0, "none",
    ifelse(whole$exact | zero, sum_state(part$value, part$exact),
      ifelse(whole$visible == 0, "hidden",
        ifelse(part$visible == 0 & part$hidden > 0, "hidden", "of_shown"))))
  share <- ifelse(state == "none", NA_real_, ifelse(zero, 0,
    ifelse(state %in% c("exact", "at_least"), part$value / whole$value,
      ifelse(state == "of_shown", part$visible / whole$visible, NA_real_))))
  data.frame(share = share, state = state, stringsAsFactors = FALSE)
}

# What jurisdictions' doses are made of: for each, the share of every group of `dimension`.
shares_by_jurisdiction <- function(table, filters, dimension) {
  places <- in_view(table, filters)
  places <- intersect(table$dictionary$jurisdictions$code, places)
  labels <- labels_of(table, dimension)
  chosen <- filters[[dimension]]
  parts <- group_sums(table, filters, c("jurisdiction", dimension))
  if (length(places) == 0 || nrow(parts) == 0) return(NULL)
  labels <- if (length(chosen) > 0) intersect(labels, chosen) else intersect(labels, unique(parts[[dimension]]))
  groups <- list(places, labels)
  names(groups) <- c("jurisdiction", dimension)
  parts <- complete_groups(parts, groups)
  whole <- complete_groups(group_sums(table, filters, "jurisdiction"), list(jurisdiction = places))
  whole <- whole[match(parts$jurisdiction, whole$jurisdiction)]
  cbind(as.data.frame(parts), share_of(parts, whole))
}

labels_of <- function(table, dimension) {
  switch(dimension,
    vaccine = table$dictionary$vaccines$code, age = table$dictionary$ages, sex = table$dictionary$sexes,
    dose = table$dictionary$doses, jurisdiction = table$dictionary$jurisdictions$code
  )
}

# Doses of each jurisdiction, zero where it reports and has none in view.
by_jurisdiction <- function(table, filters) {
  places <- intersect(table$dictionary$jurisdictions$code, in_view(table, filters))
  if (length(places) == 0) return(NULL)
  complete_groups(group_sums(table, filters, "jurisdiction"), list(jurisdiction = places))
}

# How many of a vaccine's first doses were followed by a second, and so on: recorded doses over all years up to the
# last in view, not a cohort. The filter's first year and its doses are left aside, for they would cut the series.
progression <- function(table, filters) {
  filters$from <- NA_integer_
  filters$dose <- character()
  sums <- group_sums(table, filters, c("vaccine", "dose"))
  number <- suppressWarnings(as.integer(sums$dose))
  sums <- sums[!is.na(number)]
  sums$number <- number[!is.na(number)]
  most <- tapply(sums$number, sums$vaccine, max)
  vaccines <- intersect(table$dictionary$vaccines$code, names(most)[most >= 2])
  if (length(vaccines) == 0) return(NULL)
  sums <- sums[sums$vaccine %in% vaccines]
  rows <- complete_groups(sums[, -"dose"], list(vaccine = vaccines, number = seq_len(max(most[vaccines]))))
  rows <- rows[rows$number <= most[rows$vaccine]]
  first <- rows[rows$number == 1]
  first <- first[match(rows$vaccine, first$vaccine)]
  usable <- first$exact & first$value >= LEAST_BASE
  state <- ifelse(!usable, "none", sum_state(rows$value, rows$exact))
  data.frame(
    vaccine = rows$vaccine, number = rows$number, value = rows$value, exact = rows$exact, hidden = rows$hidden,
    ratio = ifelse(state %in% c("exact", "at_least"), rows$value / first$value, NA_real_), state = state,
    stringsAsFactors = FALSE
  )
}

# The birthday before which a group ends: 7 for "2–6 years"; Inf for an open one, NA for an unknown age.
group_end <- function(label) {
  number <- function(pattern) suppressWarnings(as.numeric(sub(pattern, "\\1", label)))
  ifelse(grepl("^Under [0-9]+", label), number("^Under ([0-9]+).*"),
    ifelse(grepl("^[0-9]+ years? and over", label), Inf,
      ifelse(grepl("^[0-9]+\\s*[–-]\\s*[0-9]+", label), number("^[0-9]+\\s*[–-]\\s*([0-9]+).*") + 1,
        ifelse(grepl("^[0-9]+ year", label), number("^([0-9]+).*") + 1, NA_real_))))
}

# Of the doses that a schedule recommends before a birthday, the share given before it. Needs age groups cut at that
# birthday; who never got the dose is not in it. The filter on ages is left aside: it would decide the answer.
on_time <- function(table, filters, schedule) {
  ages <- table$dictionary$ages
  end <- group_end(ages)
  schedule <- schedule[schedule$before_birthday %in% end & schedule$vaccine %in% table$dictionary$vaccines$code, ]
  if (length(filters$vaccine) > 0) schedule <- schedule[schedule$vaccine %in% filters$vaccine, ]
  if (length(filters$dose) > 0) schedule <- schedule[as.character(schedule$dose) %in% filters$dose, ]
  if (nrow(schedule) == 0) return(NULL)
  filters$age <- character()
  filters$vaccine <- unique(schedule$vaccine)
  filters$dose <- unique(as.character(schedule$dose))
  whole <- group_sums(table, filters, c("vaccine", "dose"))
  rows <- lapply(split(schedule, schedule$before_birthday), function(rule) {
    early <- filters
    early$age <- ages[!is.na(end) & end <= rule$before_birthday[1]]
    part <- group_sums(table, early, c("vaccine", "dose"))
    label <- paste(rule$vaccine, rule$dose)
    pick <- function(sums) {
      at <- match(label, paste(sums$vaccine, sums$dose))
      data.frame(
        value = ifelse(is.na(at), 0, sums$value[at]), exact = is.na(at) | sums$exact[at],
        visible = ifelse(is.na(at), 0, sums$visible[at]), hidden = ifelse(is.na(at), 0L, sums$hidden[at])
      )
    }
    cbind(rule, pick(part), share_of(pick(part), pick(whole)), all = pick(whole)$value, all_exact = pick(whole)$exact)
  })
  rows <- do.call(rbind, rows)
  rows <- rows[rows$state != "none", ]
  if (nrow(rows) == 0) return(NULL)
  rows[order(match(rows$vaccine, table$dictionary$vaccines$code), rows$dose), ]
}

# What is not known of the doses in view, each as a share of all of them; not for what a filter chooses, for the filter
# would decide the answer.
completeness <- function(table, filters) {
  whole <- group_sums(table, filters)
  unknown <- list(
    year = NA_integer_, age = "Unknown", sex = "Unknown", vaccine = c("Unmapped", "Unknown"), dose = c("Unknown", "Mixed")
  )
  chosen <- c(chosen_axes(filters), if (length(filters$vaccine) > 0) "vaccine")
  rows <- lapply(names(unknown), function(dimension) {
    if (dimension %in% chosen) {
      unasked <- data.frame(value = NA_real_, exact = NA, visible = NA_real_, hidden = NA_integer_, share = NA_real_, state = "none")
      return(cbind(dimension = dimension, unasked))
    }
    sums <- group_sums(table, filters, dimension)
    sums <- sums[sums[[dimension]] %in% unknown[[dimension]]]
    part <- data.frame(
      value = sum(sums$value), exact = all(sums$exact), visible = sum(sums$visible), hidden = sum(sums$hidden)
    )
    cbind(dimension = dimension, part, share_of(part, whole))
  })
  do.call(rbind, rows)
}

# How many cells are in view, and how many of them are hidden.
cells_in_view <- function(table, filters) {
  cells <- select_cells(table$cells, filters)
  list(all = nrow(cells), hidden = sum(cells$hidden))
}
