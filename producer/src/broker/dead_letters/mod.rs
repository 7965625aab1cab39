//! Dead letters: what each one says (`letter`, `id`; pure), and the queue that has them (`queue`).

mod id;
mod letter;
mod queue;

pub(crate) use id::LetterId;
pub(crate) use letter::DeadLetter;
pub(crate) use queue::{DeadError, HeldLetters};
