# The dashboard: `Rscript app.R`, settings from the environment (README.md).

home <- Sys.getenv("DASHBOARD_HOME")
if (!nzchar(home)) {
  script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
  home <- if (length(script) == 1) normalizePath(dirname(script)) else getwd()
  Sys.setenv(DASHBOARD_HOME = home)
}
invisible(Sys.setlocale("LC_CTYPE", "C.UTF-8"))
for (file in c("load.R", setdiff(list.files(file.path(home, "R"), pattern = "[.]R$"), "load.R"))) {
  source(file.path(home, "R", file), encoding = "UTF-8")
}
suppressPackageStartupMessages(library(shiny))
serve_dashboard()
