# The table all sessions look at: the last good answer, and what is wrong since.
#
# table()    the table, NULL until there was one answer; changes only when the answer does
# trouble()  NULL while the federator answers, else list(problem, heard_at, sources): `sources` where it says how they are
# state()    both in one list
# refresh()  asks once and waits
# take()     takes an answer that was asked for otherwise, with etag()

new_store <- function(settings, ask = ask_and_wait, now = Sys.time, log = log_line) {
  table <- shiny::reactiveVal(NULL)
  trouble <- shiny::reactiveVal(NULL)
  etag <- NULL
  heard_at <- NULL

  remember <- function(body) {
    if (!nzchar(settings$last_good_file)) return()
    tryCatch(replace_file(settings$last_good_file, body), error = function(error) {
      log("the last good answer could not be kept: ", conditionMessage(error))
    })
  }

  restore <- function() {
    file <- settings$last_good_file
    if (!nzchar(file) || !file.exists(file)) return()
    body <- readChar(file, file.size(file), useBytes = TRUE)
    Encoding(body) <- "UTF-8"
    kept <- tryCatch(read_answer(body), error = function(error) NULL)
    if (is.null(kept)) return(log("the kept answer is not readable"))
    table(kept)
    heard_at <<- file.mtime(file)
  }

  take <- function(answer) {
    if (answer$kind == "new") {
      read <- tryCatch(read_answer(answer$body), error = identity)
      if (inherits(read, "error")) {
        answer <- failed("problem.answer", conditionMessage(read))
      } else {
        etag <<- answer$etag
        remember(answer$body)
        table(read)
        log("new table: ", nrow(read$cells), " cells of ", length(reporting(read)), " jurisdictions")
      }
    }
    if (answer$kind == "failed") {
      log("the federator did not give a table: ", answer$detail)
      if (!is.null(answer$sources)) {
        table(remembered(shiny::isolate(table()), answer$sources))
        etag <<- NULL # what was marked old or taken out is asked for whole when it may be shown again
      }
      trouble(list(problem = answer$problem, heard_at = heard_at, sources = answer$sources))
    } else {
      heard_at <<- now()
      if (answer$kind == "unchanged" && nzchar(settings$last_good_file)) {
        try(Sys.setFileTime(settings$last_good_file, heard_at), silent = TRUE)
      }
      trouble(NULL)
    }
    invisible(answer$kind)
  }

  refresh <- function() take(ask(settings, etag))

  state <- function() c(list(table = table()), trouble())
  list(table = table, trouble = trouble, state = state, refresh = refresh, take = take, etag = function() etag, restore = restore)
}

# The last good table once no source has data: nobody reports any more, what is shown is old, and why is what `sources`
# say. What a province that is now suspended gave before is not shown, also not from memory.
remembered <- function(table, sources) {
  if (is.null(table)) return(NULL)
  own <- table$sources
  own$status[own$status == "ok"] <- "stale"
  at <- match(own$jurisdiction, sources$jurisdiction)
  own[!is.na(at), c("problem", "detail")] <- sources[at[!is.na(at)], c("problem", "detail")]
  suspended <- sources$jurisdiction[sources$status == "suspended"]
  own$status[own$jurisdiction %in% suspended] <- "suspended"
  table$cells <- table$cells[!table$cells$jurisdiction %in% suspended]
  table$margins <- table$margins[!table$margins$jurisdiction %in% suspended]
  table$sources <- own
  table
}

# Whole or not at all: written beside, then renamed.
replace_file <- function(path, text) {
  part <- tempfile("last-good-", tmpdir = dirname(path))
  on.exit(unlink(part))
  connection <- file(part, "wb")
  writeBin(charToRaw(enc2utf8(text)), connection)
  close(connection)
  if (!file.rename(part, path)) stop("renaming to ", path)
}

log_line <- function(...) {
  line <- paste0(format(Sys.time(), "%Y-%m-%dT%H:%M:%SZ", tz = "UTC"), " ", ..., "\n")
  cat(line, file = stderr())
}
