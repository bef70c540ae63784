//! The binary `inbound-transfer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::run::<inbound_transfer::InboundTransfer>()
}
