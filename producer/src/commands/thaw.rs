//! `drawgate thaw`: every worker is told.

use clap::Args;
use drawgate_schemas::{Ask, Environment};

use super::freeze::LOOK;
use crate::asking::{TellFailed, Telling, tell};
use crate::exit::Exit;
use crate::options::{BrokerArgs, Format};

/// End a freeze before its time.
#[derive(Debug, Args)]
pub(crate) struct ThawArgs {
    /// Of which environment; the freeze of every one where absent
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<Environment>,
    /// text: for people. json: one object per worker and line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The broker.
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// Ends a freeze before its time.
pub(crate) async fn run(args: &ThawArgs) -> Result<Exit, TellFailed> {
    let ask = Ask::Thaw {
        environment: args.environment.clone(),
    };
    let telling = Telling {
        ask,
        what: "thaw",
        look: LOOK,
    };
    tell(telling, args.format, &args.broker).await
}
