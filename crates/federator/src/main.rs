//! The binary `federator`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::run::<federator::Federator>()
}
