//! The first connection of a command.

use crate::broker::{Address, ConnectError, Link, connect_patiently};
use crate::ending::Causes;
use crate::options::BrokerArgs;
use crate::printer;

/// Makes the first connection, and tries again for as long as `--connect-timeout` says.
pub(crate) async fn first_link(
    address: &Address,
    name: &str,
    args: &BrokerArgs,
) -> Result<Link, ConnectError> {
    let mut told = false;
    let tell = |error: &ConnectError| {
        if !std::mem::replace(&mut told, true) {
            let limit = args.connect_timeout.as_secs();
            printer::narrate(&format!("{}; trying again for up to {limit} s", Causes(error)));
        }
    };
    connect_patiently(address, name, args.connect_timeout, false, tell).await
}
