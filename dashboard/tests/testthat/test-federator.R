nowhere <- function() {
  list(federator_url = paste0("http://127.0.0.1:", httpuv::randomPort()), ca_file = "", certificate_file = "",
       key_file = "", timeout_seconds = 5, version = "test")
}

test_that("a federator that is not there is a failure with a reason, not an error", {
  answer <- ask_and_wait(nowhere(), NULL)
  expect_equal(answer[c("kind", "problem")], list(kind = "failed", problem = "problem.unreachable"))
  expect_true(nzchar(answer$detail))
})

test_that("asking meanwhile gives the same answer without being waited for", {
  answer <- NULL
  ask_meanwhile(nowhere(), NULL, function(given) answer <<- given)
  until <- Sys.time() + 10
  while (is.null(answer) && Sys.time() < until) later::run_now(0.1)
  expect_equal(answer$problem, "problem.unreachable")
})

test_that("a list of sources that cannot be read is none", {
  expect_null(sources_in(list(status = 404L, body = "")))
  expect_null(sources_in(list(status = 200L, body = "<html>")))
  expect_equal(sources_in(list(status = 200L, body = '{"sources":[{"jurisdiction":"ON","status":"ok"}]}'))$status, "ok")
})
