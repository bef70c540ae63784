# The project's own tables, read once from `data/`.

DASHBOARD_HOME <- Sys.getenv("DASHBOARD_HOME", getwd())

read_table <- function(name) {
  utils::read.csv(
    file.path(DASHBOARD_HOME, "data", name), colClasses = "character", encoding = "UTF-8", na.strings = "",
    comment.char = "#", stringsAsFactors = FALSE
  )
}

PROVINCES <- read_table("provinces.csv")

# Which dose is recommended before which birthday.
read_schedule <- function() {
  schedule <- read_table("schedule.csv")
  schedule$dose <- as.integer(schedule$dose)
  schedule$before_birthday <- as.numeric(schedule$before_birthday)
  schedule
}
