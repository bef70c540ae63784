# Runs the R tests: `Rscript tests/run.R`, in the dashboard's folder. Its last line is `N passed, N failed in S s`.

library(testthat)

here <- normalizePath(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))), ".."))
setwd(here)
Sys.setenv(DASHBOARD_HOME = here)
started <- Sys.time()
code <- new.env(parent = globalenv())
for (file in c("R/load.R", setdiff(list.files("R", pattern = "[.]R$", full.names = TRUE), "R/load.R"))) {
  sys.source(file, code)
}
results <- as.data.frame(test_dir("tests/testthat", env = code, reporter = Sys.getenv("REPORTER", "check"), stop_on_failure = FALSE))
failed <- sum(results$failed > 0 | results$error | results$warning > 0) # a warning is a fault not yet understood
if (sum(results$skipped) > 0) failed <- failed + sum(results$skipped) # nothing passes by being skipped
cat(sprintf(
  "%d passed, %d failed in %.1fs\n", nrow(results) - failed, failed, as.numeric(Sys.time() - started, units = "secs")
))
quit(status = as.integer(failed > 0 || nrow(results) == 0))
