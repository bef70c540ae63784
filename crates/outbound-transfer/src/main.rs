//! The binary `outbound-transfer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::run::<outbound_transfer::OutboundTransfer>()
}
