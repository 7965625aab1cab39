//! The queue of dead letters, for each of the commands on it: a look at it, and the choice of letters.

use drawgate_schemas::topology::DEAD_QUEUE;

use super::args::ChosenArgs;
use super::failed::DeadLettersFailed;
use crate::broker::{Address, DeadLetter, HeldLetters, LetterId, Link};
use crate::connecting::first_link;
use crate::options::BrokerArgs;
use crate::printer;

/// Connects, under the command's own name.
pub(super) async fn open(verb: &str, broker: &BrokerArgs) -> Result<Link, DeadLettersFailed> {
    let address = Address::from_args(broker)?;
    Ok(first_link(&address, &format!("drawgate dead-letters {verb}"), broker).await?)
}

/// Reads the letters in the queue and counts those behind them; all are given back.
pub(super) async fn look(
    verb: &str,
    broker: &BrokerArgs,
) -> Result<(Vec<DeadLetter>, u32), DeadLettersFailed> {
    let link = open(verb, broker).await?;
    let looked = async {
        let held = HeldLetters::take(&link).await?;
        let more = held.more;
        Ok((held.give_back().await?, more))
    };
    let looked = looked.await;
    link.close().await;
    looked
}

/// Says that there is nothing.
pub(super) fn say_empty() {
    printer::narrate(&format!("no dead letters: {DEAD_QUEUE} is empty"));
}

/// The ids of the held letters, in the order of the queue.
pub(super) fn ids(held: &HeldLetters) -> Vec<LetterId> {
    held.letters.iter().map(|held| held.letter.id.clone()).collect()
}

/// The places of the chosen letters, in the order of the queue. If one of them is not there, the command
/// fails.
pub(super) fn chosen(
    there: &[LetterId],
    args: &ChosenArgs,
    more: u32,
) -> Result<Vec<usize>, DeadLettersFailed> {
    let unknown = args.letters.iter().filter(|id| !there.contains(id)).cloned();
    let ids: Vec<LetterId> = unknown.collect();
    if !ids.is_empty() {
        return Err(DeadLettersFailed::Unknown { ids, more });
    }
    let meant = |id: &LetterId| args.all || args.letters.contains(id);
    let places = there.iter().enumerate().filter(|(_, id)| meant(id));
    Ok(places.map(|(place, _)| place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ending::Ending as _;
    use crate::exit::Exit;

    fn id(n: u8) -> LetterId {
        format!("{n:012x}").parse().unwrap()
    }

    fn args(letters: &[u8], all: bool) -> ChosenArgs {
        let letters = letters.iter().map(|n| id(*n)).collect();
        ChosenArgs { letters, all }
    }

    #[test]
    fn all_that_are_named_or_none() {
        let there = [id(1), id(2), id(3), id(2)];
        assert_eq!(chosen(&there, &args(&[], true), 0).unwrap(), [0, 1, 2, 3]);
        assert_eq!(
            chosen(&there, &args(&[3, 1], false), 0).unwrap(),
            [0, 2],
            "in the queue's order"
        );
        assert_eq!(
            chosen(&there, &args(&[2], false), 0).unwrap(),
            [1, 3],
            "the same message twice"
        );
        let error = chosen(&there, &args(&[1, 9, 8], false), 0).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        let said = error.to_string();
        assert!(
            said.contains("000000000009, 000000000008; nothing was changed"),
            "{said}"
        );
        assert!(chosen(&[], &args(&[], true), 0).unwrap().is_empty());
    }
}
