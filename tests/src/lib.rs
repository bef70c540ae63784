//! What more than one of the test programs needs; the tests are in `integration/` and `deploy/`.

pub mod measures;
