//! What became of a letter that was replayed or dropped.

use drawgate_schemas::ReleaseId;
use serde::Serialize;

use crate::broker::LetterId;
use crate::options::Format;
use crate::printer;
use crate::system::SystemError;
use crate::view::clean;

/// What became of one letter.
#[derive(Debug)]
pub(super) enum Became {
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
pub(super) fn tell(id: &LetterId, became: &Became, format: Format) -> Result<(), SystemError> {
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
        (Format::Text, None, Some(why)) => printer::narrate(&clean(&format!("{id}  stays: {why}"))),
        (Format::Text, None, None) => printer::narrate(&format!("{id}  {word}")),
    }
    Ok(())
}
