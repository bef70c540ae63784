# Asks the federator for the national table, without keeping readers waiting meanwhile: R does one thing at a time, so
# the transfer is left to curl and looked after between other work. Certificate files are read anew at each request, so
# that they may rotate.

# Calls `then` with an answer: `kind` is "new" with the body and its ETag, "unchanged", or "failed" with a `problem`
# (a key of i18n.json), a `detail` for the log, and, where no source has data, how it stands with the `sources`.
# Nothing happens before `pool` is run.
ask_federator <- function(settings, etag, pool, then) {
  call_federator(settings, "/aggregated-data", etag, pool, function(response) {
    if (!is.null(response$error)) return(then(failed("problem.unreachable", response$error)))
    if (response$status == 304) return(then(list(kind = "unchanged")))
    if (response$status == 200) return(then(list(kind = "new", body = response$body, etag = response$etag)))
    detail <- paste("status", response$status)
    if (response$status != 503) {
      return(then(failed(if (response$status %in% c(401, 403)) "problem.refused" else "problem.answer", detail)))
    }
    call_federator(settings, "/sources", NULL, pool, function(response) {
      then(failed("problem.no_source", detail, sources_in(response)))
    })
  })
}

# Asks and waits for the answer.
ask_and_wait <- function(settings, etag) {
  pool <- curl::new_pool()
  answer <- NULL
  ask_federator(settings, etag, pool, function(given) answer <<- given)
  while (is.null(answer)) curl::multi_run(pool = pool) # once more where a first answer led to a second question
  answer
}

# Asks, and looks after the transfer now and then.
ask_meanwhile <- function(settings, etag, then) {
  pool <- curl::new_pool()
  answered <- FALSE
  ask_federator(settings, etag, pool, function(answer) {
    answered <<- TRUE
    then(answer)
  })
  look <- function() {
    curl::multi_run(timeout = 0, pool = pool)
    if (!answered) later::later(look, 0.1)
  }
  look()
}

failed <- function(problem, detail, sources = NULL) {
  list(kind = "failed", problem = problem, detail = detail, sources = sources)
}

# How it stands with the sources; NULL where the federator does not say.
sources_in <- function(response) {
  if (!identical(response$status, 200L)) return(NULL)
  tryCatch(read_sources(jsonlite::fromJSON(response$body)$sources), error = function(error) NULL)
}

# Calls `then` with list(status, etag, body), or list(error).
call_federator <- function(settings, path, etag, pool, then) {
  handle <- curl::new_handle()
  curl::handle_setheaders(handle, .list = c(list(Accept = "application/json"), if (!is.null(etag)) list(`If-None-Match` = etag)))
  curl::handle_setopt(handle, .list = c(
    list(accept_encoding = "", followlocation = FALSE, timeout = settings$timeout_seconds,
         useragent = paste0("iidi-dashboard/", settings$version)),
    if (startsWith(settings$federator_url, "https:")) list(sslversion = 7L), # TLS 1.3
    if (nzchar(settings$ca_file)) list(cainfo = settings$ca_file),
    if (nzchar(settings$certificate_file)) list(sslcert = settings$certificate_file, sslkey = settings$key_file)
  ))
  curl::curl_fetch_multi(
    paste0(settings$federator_url, path), handle = handle, pool = pool,
    done = function(response) {
      body <- rawToChar(response$content)
      Encoding(body) <- "UTF-8"
      headers <- curl::parse_headers_list(response$headers)
      then(list(status = as.integer(response$status_code), etag = headers$etag, body = body))
    },
    fail = function(message) then(list(error = message))
  )
}
