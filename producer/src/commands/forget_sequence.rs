//! `drawgate forget-sequence`: told to every worker.

use drawgate_schemas::Ask;

use super::freeze::tell;
use crate::cli::ForgetSequenceArgs;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::origin;

/// A lane's counter has started again: what it counted before counts no more.
pub(crate) async fn forget_sequence(args: &ForgetSequenceArgs) -> Result<Exit, CommandError> {
    let service = origin::service(args.lane.service.as_ref(), &std::env::current_dir()?)?;
    let ask = Ask::ForgetSequence {
        environment: args.lane.environment.clone(),
        service,
        reason: args.reason.clone(),
    };
    tell(ask, FORGET_SEQUENCE, args.format, &args.broker).await
}

/// As it is called.
pub(crate) const FORGET_SEQUENCE: &str = "forget-sequence";
