//! `drawgate dead-letters replay`.

use jiff::Timestamp;

use super::args::ReplayLettersArgs;
use super::failed::DeadLettersFailed;
use super::queue::{chosen, ids, open, say_empty};
use super::told::{Became, tell};
use crate::broker::{DeadLetter, HeldLetters, Link, PublishError, publish_for};
use crate::exit::Exit;
use crate::message_file;
use crate::printer;
use crate::request::{self, Message, quoted};

/// Publishes letters, and only then removes them from the queue: a crash in between publishes again, and an
/// id is accepted once.
pub(super) async fn run(args: &ReplayLettersArgs) -> Result<Exit, DeadLettersFailed> {
    let repaired = match &args.with {
        Some(_) if args.chosen.letters.len() != 1 => {
            return Err(DeadLettersFailed::OneRepaired(args.chosen.letters.len()));
        }
        Some(file) => Some(message_file::read(file, Timestamp::now())?),
        None => None,
    };
    let link = open("replay", &args.broker).await?;
    let ended = replay_over(&link, args, repaired).await;
    link.close().await;
    ended
}

async fn replay_over(
    link: &Link,
    args: &ReplayLettersArgs,
    repaired: Option<Message>,
) -> Result<Exit, DeadLettersFailed> {
    let all = args.chosen.all;
    let held = HeldLetters::take(link).await?;
    let places = chosen(&ids(&held), &args.chosen, held.more)?;
    let now = Timestamp::now();
    let mut messages = Vec::new();
    for held_letter in places.iter().filter_map(|place| held.letters.get(*place)) {
        let letter = &held_letter.letter;
        let message = match &repaired {
            Some(repaired) => Ok(repaired.clone()),
            None => request::read(letter.body.clone(), now),
        };
        match message {
            Err(unsendable) if !all => {
                let id = letter.id.clone();
                return Err(DeadLettersFailed::Unsendable { id, unsendable });
            }
            message => messages.push((held_letter, message)),
        }
    }
    if messages.is_empty() {
        say_empty();
    }
    let mut exit = Exit::Succeeded;
    for (held_letter, message) in messages {
        let letter = &held_letter.letter;
        let became = match message {
            Ok(message) => sent(link, letter, &message, all)
                .await
                .map_err(|source| not_sent(letter, source, args))?,
            Err(unsendable) => Became::Stays(unsendable.to_string()),
        };
        match became {
            Became::Stays(_) => exit = Exit::Rejected,
            _ => held.put_away(held_letter).await?,
        }
        tell(&letter.id, &became, args.format)?;
    }
    let more = held.more;
    held.give_back().await?;
    if all && more > 0 {
        printer::narrate(&format!("{more} more lay behind these: say it again"));
    }
    Ok(exit)
}

/// Sends one message. If `all` letters are meant, one that the broker refuses by itself does not stop the
/// others.
async fn sent(
    link: &Link,
    letter: &DeadLetter,
    message: &Message,
    all: bool,
) -> Result<Became, PublishError> {
    let original = letter.published_by.as_deref();
    match publish_for(link, &message.request, &message.body, original).await {
        Ok(()) => Ok(Became::Replayed(message.request.id)),
        Err(error) if all && error.is_of_this_message() => Ok(Became::Stays(error.to_string())),
        Err(error) => Err(error),
    }
}

fn not_sent(letter: &DeadLetter, source: PublishError, args: &ReplayLettersArgs) -> DeadLettersFailed {
    let with = args.with.as_ref().map_or_else(String::new, |file| {
        format!(" --with {}", quoted(&file.to_string_lossy()))
    });
    let id = letter.id.clone();
    let again = format!("drawgate dead-letters replay {id}{with}");
    DeadLettersFailed::NotSent {
        id,
        source: Box::new(source),
        again,
    }
}
