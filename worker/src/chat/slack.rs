//! A post in Slack's format (docs.slack.dev, "Sending messages using incoming webhooks", "Formatting message
//! text").

use drawgate_schemas::limits::cut;
use serde_json::{Value, json};

use super::limits;
use super::render::{Part, Post};

/// `{"text": …}`, in Slack's mark-up.
pub(super) fn body(post: &Post) -> Value {
    json!({ "text": text(post) })
}

fn text(post: &Post) -> String {
    let header: Vec<String> = post.header.iter().map(part).collect();
    let mut text = format!("{}: {}", header.join(" · "), escaped(&post.what));
    for note in &post.notes {
        text.push_str("\n> ");
        text.push_str(&escaped(note));
    }
    // The id comes last and is never cut off, because an operator must name it to approve, pause or cancel
    // the release.
    let name = post
        .release
        .map_or_else(String::new, |release| format!("\n> release {release}"));
    let room = limits::POST_CHARS.saturating_sub(name.chars().count());
    cut(&text, room) + &name
}

fn part(part: &Part) -> String {
    match &part.link {
        Some(link) => format!("<{}|{}>", escaped(link), escaped(&part.text)),
        None => escaped(&part.text),
    }
}

/// Escapes the three characters with a meaning in Slack; otherwise a branch called `<!channel>` would notify
/// everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\n', " ")
}

#[cfg(test)]
mod tests;
