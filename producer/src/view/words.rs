//! How times, versions, names and awaited approvals are written in texts.

use drawgate_schemas::{AwaitedApproval, Direction, HostPhase, ImageReference, limits};

/// `8.2 s`, `42 s`, `4 min 31 s`, `1 h 12 min`.
pub(crate) fn span_ms(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, ms % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => with_rest(seconds / 60, "min", seconds % 60, "s"),
        _ => with_rest(seconds / 3600, "h", seconds % 3600 / 60, "min"),
    }
}

/// `42 s`, `4 min 31 s`, `1 h 12 min`: tenths of a second would pretend to a precision that there is not.
pub(crate) fn span_s(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        _ => span_ms(seconds.saturating_mul(1000)),
    }
}

/// `45 s`, `12 min`, `3 h`, `2 d`: one unit is enough for an age.
pub(crate) fn ago(at: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0);
    match seconds {
        0..60 => span_s(seconds),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn with_rest(whole: u64, unit: &str, rest: u64, rest_unit: &str) -> String {
    if rest == 0 {
        return format!("{whole} {unit}");
    }
    format!("{whole} {unit} {rest} {rest_unit}")
}

/// `00:12`, `01:02:03`.
pub(crate) fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// `1 host`, `6 hosts`.
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// `sha256:e084…09d7`.
pub(crate) fn short_digest(digest: &drawgate_schemas::Digest) -> String {
    let text = digest.as_str();
    let (start, end) = (text.get(..11), text.get(text.len().saturating_sub(4)..));
    match (start, end) {
        (Some(start), Some(end)) => format!("{start}…{end}"),
        _ => text.to_owned(),
    }
}

/// The version of an image as a person calls it: its tag, or its digest's first digits.
pub(crate) fn short_image(image: &str) -> String {
    match image.parse::<ImageReference>() {
        Ok(image) => limits::cut(image.version(), 24),
        Err(_) if image.starts_with("sha256:") => image.chars().skip(7).take(12).collect(),
        Err(_) => limits::cut(image, 24),
    }
}

/// An instance id, cut to `i-0a1b…` for the bar.
pub(crate) fn short_instance(instance: &str) -> String {
    limits::cut(instance, 7)
}

/// A host's phase in words.
pub(crate) fn phase(phase: HostPhase, direction: Direction) -> &'static str {
    match phase {
        HostPhase::Deregistering => "leaves the load balancer",
        HostPhase::Draining => "draining",
        HostPhase::Swapping => "swapping the container",
        HostPhase::Verifying => "verifying",
        HostPhase::Registering => "back into the load balancer",
        HostPhase::AwaitingHealthy => "waiting until healthy",
        HostPhase::Done if direction == Direction::Back => "as before",
        HostPhase::Done => "done",
        HostPhase::Failed => "failed",
        HostPhase::Gone => "gone",
    }
}

/// How many approvals a release needs, who can give them, and until when.
pub(crate) fn awaits_approval(awaited: &AwaitedApproval) -> String {
    let given = match awaited.given.as_slice() {
        [] => String::new(),
        given => format!(", approved by {}", given.join(", ")),
    };
    format!(
        "waits for approval by {} ({} needed{given}; {}, who published it, may not) until {:.0}",
        awaited.from.join(", "),
        awaited.count,
        awaited.publisher,
        awaited.until
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let spans = [0, 8_240, 42_900, 60_000, 271_000, 3_600_000, 4_320_000].map(span_ms);
        assert_eq!(
            spans,
            [
                "0.0 s",
                "8.2 s",
                "42 s",
                "1 min",
                "4 min 31 s",
                "1 h",
                "1 h 12 min"
            ]
        );
        assert_eq!([0, 9, 61].map(span_s), ["0 s", "9 s", "1 min 1 s"]);
        assert_eq!([0, 72, 3_723].map(clock), ["00:00", "01:12", "01:02:03"]);
    }

    #[test]
    fn images() {
        let long = format!(
            "123.dkr.ecr.us-west-2.amazonaws.com/api@sha256:{}",
            "ab".repeat(32)
        );
        assert_eq!(short_image(&long), "abababababab");
        assert_eq!(short_image("r:5000/api:4f2c91e"), "4f2c91e");
        assert_eq!(short_image("odd"), "odd");
    }
}
