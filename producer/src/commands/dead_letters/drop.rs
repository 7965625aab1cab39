//! `drawgate dead-letters drop`.

use jiff::Timestamp;

use super::args::{ChosenArgs, DropArgs};
use super::failed::DeadLettersFailed;
use super::queue::{chosen, ids, open, say_empty};
use super::told::{Became, tell};
use super::view;
use crate::broker::{DeadLetter, HeldLetters, Link};
use crate::consent::is_meant;
use crate::exit::Exit;
use crate::printer;

/// Drops letters from the queue for good, after the person has confirmed.
pub(super) async fn run(args: &DropArgs) -> Result<Exit, DeadLettersFailed> {
    let link = open("drop", &args.broker).await?;
    let ended = drop_over(&link, args).await;
    link.close().await;
    ended
}

async fn drop_over(link: &Link, args: &DropArgs) -> Result<Exit, DeadLettersFailed> {
    let mut held = HeldLetters::take(link).await?;
    let mut places = chosen(&ids(&held), &args.chosen, held.more)?;
    if places.is_empty() {
        say_empty();
        return Ok(Exit::Succeeded);
    }
    if !args.yes {
        // No letter is held while a person thinks. Only letters that the person saw are dropped, whatever
        // has come since.
        let letters = held.give_back().await?;
        let seen: Vec<DeadLetter> = places
            .iter()
            .filter_map(|place| letters.get(*place).cloned())
            .collect();
        sure(&seen)?;
        let letters = seen.into_iter().map(|letter| letter.id).collect();
        held = HeldLetters::take(link).await?;
        places = chosen(&ids(&held), &ChosenArgs { letters, all: false }, held.more)?;
    }
    for held_letter in places.iter().filter_map(|place| held.letters.get(*place)) {
        held.put_away(held_letter).await?;
        tell(&held_letter.letter.id, &Became::Dropped, args.format)?;
    }
    held.give_back().await?;
    Ok(Exit::Succeeded)
}

/// Shows the letters, and returns an error unless the person confirms the drop.
fn sure(letters: &[DeadLetter]) -> Result<(), DeadLettersFailed> {
    for row in view::dead_letters(letters, Timestamp::now()) {
        printer::narrate(&row);
    }
    let what = if letters.len() == 1 { "it" } else { "them" };
    if is_meant(&format!("drop {what} for good?"), false)? {
        return Ok(());
    }
    Err(DeadLettersFailed::NotMeant)
}
