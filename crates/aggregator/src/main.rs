//! The binary `aggregator`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::run::<aggregator::Aggregator>()
}
