//! `drawgate dead-letters`: shows the messages that were refused for good, replays them, drops them.

use drawgate_schemas::ReleaseId;
use drawgate_schemas::topology::DEAD_QUEUE;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::broker::{
    Address, AddressError, ConnectError, DeadError, DeadLetter, HeldLetters, LetterId, Link, PublishError,
    publish_for,
};
use crate::cli::{ChosenArgs, DeadLetterCommand, DropArgs, ListArgs, ReplayLettersArgs, ShowLetterArgs};
use crate::connecting::first_link;
use crate::consent::is_meant;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::message_file::{self, MessageFileError};
use crate::options::{BrokerArgs, Format};
use crate::printer;
use crate::request::{self, Message, Unsendable, quoted};
use crate::system::SystemError;
use crate::view::{self, Layout};

/// Why a command on dead letters failed, or was done in part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeadLettersFailed {
    /// The broker's address is missing or wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Queue(#[from] DeadError),
    /// The repaired message cannot be read or sent.
    #[error(transparent)]
    MessageFile(#[from] MessageFileError),
    /// No letters have these ids.
    #[error("no dead letter {}; nothing was changed", listed(ids))]
    Unknown {
        ids: Vec<LetterId>,
        /// How many more letters lie behind those that were looked at.
        more: u32,
    },
    /// The letter's message would be refused again.
    #[error("{id} cannot be replayed as it is; nothing was sent: {unsendable}")]
    Unsendable { id: LetterId, unsendable: Unsendable },
    /// One repaired message cannot take the place of several letters.
    #[error("--with goes with exactly one ID, and here are {0}; nothing was sent")]
    OneRepaired(usize),
    /// The message was not sent, or it is unknown whether it was.
    #[error("{id} stays where it is: {source}")]
    NotSent {
        id: LetterId,
        /// Why it was not sent. The error's own causes follow; its text stands in the message above.
        source: Box<PublishError>,
        /// The command that tries again.
        again: String,
    },
    /// The person did not confirm the drop.
    #[error("nothing was dropped")]
    NotMeant,
    #[error(transparent)]
    System(#[from] SystemError),
}

impl Ending for DeadLettersFailed {
    fn exit(&self) -> Exit {
        match self {
            Self::Address(error) => error.exit(),
            Self::Connect(error) => error.exit(),
            Self::Queue(error) => error.exit(),
            Self::MessageFile(error) => error.exit(),
            Self::Unknown { .. } | Self::Unsendable { .. } | Self::OneRepaired(_) | Self::NotMeant => {
                Exit::Usage
            }
            Self::NotSent { .. } => Exit::Broker,
            Self::System(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address(error) => error.hint(),
            Self::Connect(error) => error.hint(),
            Self::Queue(error) => error.hint(),
            Self::MessageFile(error) => error.hint(),
            Self::System(error) => error.hint(),
            Self::Unknown { more: 0, .. } => Some(
                "drawgate dead-letters list shows what is there; while another one looks at the queue, a part of it \
                 is not to be seen"
                    .to_owned(),
            ),
            Self::Unknown { more, .. } => Some(format!(
                "{more} more lie behind those that are looked at: they come to the front as these are replayed or dropped"
            )),
            Self::Unsendable { id, .. } => Some(repair(id)),
            Self::NotSent { id, source, .. } if source.is_of_this_message() => Some(repair(id)),
            Self::NotSent { source, again, .. } => source.hint(again),
            Self::OneRepaired(_) => Some("replay one after the other, each with its own message".to_owned()),
            Self::NotMeant => Some("drawgate dead-letters drop … --yes".to_owned()),
        }
    }
}

fn listed(ids: &[LetterId]) -> String {
    let ids: Vec<String> = ids.iter().map(LetterId::to_string).collect();
    ids.join(", ")
}

/// How to repair a message with a mistake and send it.
fn repair(id: &LetterId) -> String {
    format!(
        "repair it:\n  drawgate dead-letters show {id} --body > message.json\n  (edit message.json)\n  \
         drawgate dead-letters replay {id} --with message.json"
    )
}

/// Runs a command on dead letters.
pub(crate) async fn dead_letters(command: &DeadLetterCommand) -> Result<Exit, DeadLettersFailed> {
    match command {
        DeadLetterCommand::List(args) => list(args).await,
        DeadLetterCommand::Show(args) => show(args).await,
        DeadLetterCommand::Replay(args) => replay(args).await,
        DeadLetterCommand::Drop(args) => drop_letters(args).await,
    }
}

async fn open(verb: &str, broker: &BrokerArgs) -> Result<Link, DeadLettersFailed> {
    let address = Address::from_args(broker)?;
    Ok(first_link(&address, &format!("drawgate dead-letters {verb}"), broker).await?)
}

/// Reads the letters in the queue and counts those behind them; all are given back.
async fn look(verb: &str, broker: &BrokerArgs) -> Result<(Vec<DeadLetter>, u32), DeadLettersFailed> {
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

async fn list(args: &ListArgs) -> Result<Exit, DeadLettersFailed> {
    let (letters, more) = look("list", &args.broker).await?;
    let now = Timestamp::now();
    match args.format {
        Format::Json => {
            for letter in &letters {
                printer::json(&Shown::of(letter, now))?;
            }
        }
        Format::Text if letters.is_empty() => {}
        Format::Text => {
            for row in view::dead_letters(&letters, now) {
                printer::data(&row)?;
            }
        }
    }
    if letters.is_empty() {
        say_empty();
    }
    if more > 0 {
        printer::narrate(&format!("{more} more lie behind these"));
    }
    Ok(Exit::Succeeded)
}

fn say_empty() {
    printer::narrate(&format!("no dead letters: {DEAD_QUEUE} is empty"));
}

async fn show(args: &ShowLetterArgs) -> Result<Exit, DeadLettersFailed> {
    let (letters, more) = look("show", &args.broker).await?;
    let Some(letter) = letters.iter().find(|letter| letter.id == args.letter) else {
        let ids = vec![args.letter.clone()];
        return Err(DeadLettersFailed::Unknown { ids, more });
    };
    let now = Timestamp::now();
    if args.body {
        printer::bytes(&letter.body)?;
        return Ok(Exit::Succeeded);
    }
    match args.format {
        Format::Json => printer::json(&Shown {
            message: serde_json::from_slice(&letter.body).ok(),
            ..Shown::of(letter, now)
        })?,
        Format::Text => {
            let layout = Layout {
                width: printer::stdout_columns(),
                times: false,
                colour: false,
            };
            for row in view::dead_letter(letter, now, &layout) {
                printer::data(&row)?;
            }
        }
    }
    Ok(Exit::Succeeded)
}

/// Publishes letters, and only then removes them from the queue: a crash in between publishes again, and an
/// id is accepted once.
async fn replay(args: &ReplayLettersArgs) -> Result<Exit, DeadLettersFailed> {
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

/// Drops letters from the queue for good, after the person has confirmed.
async fn drop_letters(args: &DropArgs) -> Result<Exit, DeadLettersFailed> {
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

fn ids(held: &HeldLetters) -> Vec<LetterId> {
    held.letters.iter().map(|held| held.letter.id.clone()).collect()
}

/// The places of the chosen letters, in the order of the queue. If one of them is not there, the command
/// fails.
fn chosen(there: &[LetterId], args: &ChosenArgs, more: u32) -> Result<Vec<usize>, DeadLettersFailed> {
    let unknown = args.letters.iter().filter(|id| !there.contains(id)).cloned();
    let ids: Vec<LetterId> = unknown.collect();
    if !ids.is_empty() {
        return Err(DeadLettersFailed::Unknown { ids, more });
    }
    let meant = |id: &LetterId| args.all || args.letters.contains(id);
    let places = there.iter().enumerate().filter(|(_, id)| meant(id));
    Ok(places.map(|(place, _)| place).collect())
}

/// What became of one letter.
#[derive(Debug)]
enum Became {
    /// The message was published, as the release of this id.
    Replayed(ReleaseId),
    Dropped,
    /// The letter stays in the queue, for this reason.
    Stays(String),
}

/// What became of one letter, for programs.
#[derive(Serialize)]
struct Told<'a> {
    id: String,
    became: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<ReleaseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// Tells what became of a letter. On stdout stands the release's id, as after `publish`, or an object for
/// programs.
fn tell(id: &LetterId, became: &Became, format: Format) -> Result<(), SystemError> {
    let (word, release, detail) = match became {
        Became::Replayed(release) => ("replayed", Some(*release), None),
        Became::Dropped => ("dropped", None, None),
        Became::Stays(why) => ("stays", None, Some(why.as_str())),
    };
    match (format, release, detail) {
        (Format::Json, ..) => {
            let id = id.to_string();
            printer::json(&Told {
                id,
                became: word,
                release,
                detail,
            })?;
        }
        (Format::Text, Some(release), _) => {
            printer::narrate(&format!("{id}  replayed; drawgate watch {release} follows it"));
            printer::data(&release.to_string())?;
        }
        (Format::Text, None, Some(why)) => printer::narrate(&view::clean(&format!("{id}  stays: {why}"))),
        (Format::Text, None, None) => printer::narrate(&format!("{id}  {word}")),
    }
    Ok(())
}

/// A dead letter, for programs.
#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    rejected_at: Option<Timestamp>,
    age_s: Option<i64>,
    reason: &'a str,
    detail: &'a str,
    environment: &'a str,
    service: &'a str,
    version: Option<&'a str>,
    release: Option<&'a str>,
    routing_key: &'a str,
    published_by: Option<&'a str>,
    /// The worker that refused the message; `None` where the broker itself gave up on it.
    worker: Option<&'a str>,
    bytes: usize,
    /// The message, where it is JSON and one letter is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Value>,
}

impl<'a> Shown<'a> {
    fn of(letter: &'a DeadLetter, now: Timestamp) -> Self {
        Self {
            id: letter.id.to_string(),
            rejected_at: letter.rejected_at,
            age_s: letter
                .rejected_at
                .map(|at| now.duration_since(at).as_secs().max(0)),
            reason: &letter.reason,
            detail: &letter.detail,
            environment: letter.environment(),
            service: letter.service(),
            version: letter.said.version.as_deref(),
            release: letter.said.release.as_deref(),
            routing_key: &letter.routing_key,
            published_by: letter.published_by.as_deref(),
            worker: letter.worker.as_deref(),
            bytes: letter.body.len(),
            message: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_is_refused_is_told_how_to_be_repaired() {
        let unsendable = request::read(b"{".to_vec(), Timestamp::UNIX_EPOCH).unwrap_err();
        let error = DeadLettersFailed::Unsendable {
            id: id(7),
            unsendable,
        };
        let hint = error.hint().unwrap_or_default();
        for part in [
            "show 000000000007 --body > message.json",
            "replay 000000000007 --with message.json",
        ] {
            assert!(hint.contains(part), "{hint}");
        }
        assert!(
            error
                .to_string()
                .contains("nothing was sent: a worker would refuse it: not_json"),
            "{error}"
        );
    }
}
