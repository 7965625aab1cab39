//! How a release ended: the lines about it, the final line, and what to do about a rejection.

use drawgate_schemas::{Ended, Event, Outcome, RejectionCode, StatusEvent};

use super::layout::{Line, Mark, clean};
use super::words::span_ms;

/// Lines for the end of a release. In brief, an end other than a success only gets lines about what is left,
/// because the final line tells the end.
pub(super) fn ended(ended: &Ended, every: bool) -> Vec<Line> {
    let leftovers = ended.receipt.iter().flat_map(|receipt| &receipt.leftovers);
    // A command stands on a line of its own, and whole, so that it can be copied.
    let left = leftovers.flat_map(|leftover| {
        let what = Line::new(Mark::Bad, format!("left: {}", leftover.what));
        let commands = leftover.commands.iter();
        std::iter::once(what).chain(commands.map(|command| Line::whole(Mark::Bad, format!("  {command}"))))
    });
    let told = match ended.outcome {
        Outcome::Succeeded => Some(Line::new(Mark::Ok, ended.summary.as_str())),
        Outcome::RolledBack | Outcome::Cancelled if every => {
            Some(Line::new(Mark::Back, ended.outcome.to_string()))
        }
        Outcome::Superseded if every => Some(Line::new(Mark::Note, ended.outcome.to_string())),
        outcome if every => Some(Line::new(Mark::Bad, outcome.to_string())),
        _ => None,
    };
    left.chain(told).collect()
}

/// The final line, which goes to stdout.
pub(crate) fn final_line(event: &StatusEvent) -> Option<String> {
    let ended = match &event.event {
        Event::Ended(ended) => ended,
        Event::Rejected { rejection, .. } => {
            return Some(clean(&format!(
                "rejected ({}): {}",
                rejection.code, rejection.detail
            )));
        }
        _ => return None,
    };
    let took = ended
        .receipt
        .as_ref()
        .map(|receipt| format!(" in {}", span_ms(receipt.duration_ms)));
    let took = took.unwrap_or_default();
    let summary = &ended.summary;
    Some(clean(&match ended.outcome {
        Outcome::Succeeded => format!("succeeded{took}{}", where_the_time_went(ended)),
        Outcome::RolledBack => format!("failed and restored{took}: {summary}"),
        Outcome::Cancelled => format!("cancelled and restored{took}: {summary}"),
        Outcome::Failed => format!("failed before any host was touched{took}: {summary}"),
        Outcome::Rejected => format!("rejected: {summary}"),
        Outcome::Superseded => format!("superseded: {summary}"),
        Outcome::NeedsOperator => format!(
            "stopped{} and needs an operator: {summary}",
            took.replacen("in", "after", 1)
        ),
    }))
}

fn where_the_time_went(ended: &Ended) -> String {
    let Some(receipt) = &ended.receipt else {
        return String::new();
    };
    let waits = (receipt.balancer_wait_ms > 0).then(|| {
        format!(
            "{} of it the load balancer's own waits",
            span_ms(receipt.balancer_wait_ms)
        )
    });
    let most = receipt
        .costs_most
        .as_ref()
        .map(|what| format!("{what} costs most"));
    let parts: Vec<String> = waits.into_iter().chain(most).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(" ({})", parts.join("; "))
}

/// What to do about a rejection; `None` where its detail says so already.
pub(crate) fn rejection_hint(code: RejectionCode) -> Option<&'static str> {
    match code {
        RejectionCode::UnknownService | RejectionCode::UnknownEnvironment => {
            Some("`drawgate-worker check` on the bastion shows what it serves, in /etc/drawgate/services/")
        }
        RejectionCode::ImageNotAllowed => {
            Some("the service's file on the bastion lists the images it may run")
        }
        RejectionCode::LessCareful => Some("options may only be more careful than the service's file"),
        RejectionCode::Expired => Some("publish again, with a new id"),
        RejectionCode::IdReused => Some("leave --id out: a new one is made for each release"),
        RejectionCode::LaneFull => Some("publish again when the lane has room"),
        RejectionCode::WrongVersion => Some("drawgate and drawgate-worker are of different versions"),
        RejectionCode::NoEmergency => Some("publish it without --emergency, or ask one who may"),
        RejectionCode::NoPublisher => {
            Some("publish with drawgate, or set the property user_id to the connection's user")
        }
        RejectionCode::DeadLettered => Some("look at the worker's log, and at the queue drawgate.dead"),
        // The detail of these rejections names the ways out.
        RejectionCode::SequenceJump
        | RejectionCode::TooLarge
        | RejectionCode::NotJson
        | RejectionCode::Invalid
        | RejectionCode::WrongRoutingKey => None,
    }
}
