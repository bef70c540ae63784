settings_of <- function(...) {
  values <- c(DASHBOARD_FEDERATOR_URL = "https://federator:8443/", DASHBOARD_DATA_KIND = "synthetic")
  values[names(list(...))] <- as.character(list(...))
  read_settings(function(name, unset) if (name %in% names(values)) values[[name]] else unset)
}

test_that("settings have defaults, and an address without its last slash", {
  settings <- settings_of()
  expect_equal(settings$federator_url, "https://federator:8443")
  expect_equal(settings$refresh_seconds, 60)
  expect_equal(settings$host, "127.0.0.1")
})

test_that("all that is wrong is said at once", {
  expect_error(settings_of(DASHBOARD_FEDERATOR_URL = "federator", DASHBOARD_REFRESH_SECONDS = "often",
                           DASHBOARD_DATA_KIND = "", DASHBOARD_KEY_FILE = "/no/such.key"),
               "KEY_FILE names a file.*REFRESH_SECONDS.*http.*belong together.*DATA_KIND")
})
