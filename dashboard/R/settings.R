# The settings, all from the environment. What is wrong is said at once, before anything starts.

read_settings <- function(get = Sys.getenv) {
  wrong <- character()
  note <- function(...) wrong <<- c(wrong, paste0(...))
  text <- function(name, default = "") {
    value <- get(name, unset = "")
    if (nzchar(value)) value else default
  }
  whole <- function(name, default, least) {
    value <- suppressWarnings(as.numeric(text(name, default)))
    if (is.na(value) || value < least || value != round(value)) note(name, " must be a whole number, ", least, " or more")
    value
  }
  file <- function(name) {
    path <- text(name)
    if (nzchar(path) && !file.exists(path)) note(name, " names a file that is not there: ", path)
    path
  }
  settings <- list(
    federator_url = sub("/+$", "", text("DASHBOARD_FEDERATOR_URL")),
    certificate_file = file("DASHBOARD_CERTIFICATE_FILE"), key_file = file("DASHBOARD_KEY_FILE"),
    ca_file = file("DASHBOARD_CA_FILE"),
    refresh_seconds = whole("DASHBOARD_REFRESH_SECONDS", "60", 1),
    timeout_seconds = whole("DASHBOARD_TIMEOUT_SECONDS", "20", 1),
    last_good_file = text("DASHBOARD_LAST_GOOD_FILE"),
    data_kind = text("DASHBOARD_DATA_KIND"),
    version = text("DASHBOARD_VERSION", "development"),
    host = text("DASHBOARD_HOST", "127.0.0.1"), port = whole("DASHBOARD_PORT", "3838", 0)
  )
  if (!grepl("^https?://[^/?#]+", settings$federator_url)) note("DASHBOARD_FEDERATOR_URL must be an http(s) address")
  if (nzchar(settings$certificate_file) != nzchar(settings$key_file)) {
    note("DASHBOARD_CERTIFICATE_FILE and DASHBOARD_KEY_FILE belong together")
  }
  if (!settings$data_kind %in% c("synthetic", "real")) note("DASHBOARD_DATA_KIND must be `synthetic` or `real`")
  if (length(wrong) > 0) stop(paste(wrong, collapse = "\n"), call. = FALSE)
  settings
}
