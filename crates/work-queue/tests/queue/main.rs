//! The queue against real Redis servers, one for each test.

mod access;
mod balance;
mod lanes;
mod recovery;
mod retries;
mod server;
