//! Whether the image's own HEALTHCHECK can say in time that a swap is good.

use drawgate_schemas::ReleaseRequest;

use super::finding::Finding;
use crate::definition::{Probe, ServiceDefinition};
use crate::failure::Failure;
use crate::fleet::{Healthcheck, ImageHealthcheck, ImageSnapshot};

/// Judges the HEALTHCHECK, and returns how it is run. A HEALTHCHECK that could not be read is judged once the
/// image is on a host, which is before any host is touched: a warning says so.
pub(super) fn judge(
    request: &ReleaseRequest,
    definition: &ServiceDefinition,
    image: &ImageSnapshot,
    findings: &mut Vec<Finding>,
) -> Option<Healthcheck> {
    if definition.verify.probe != Probe::Healthcheck {
        return None;
    }
    let subject = request.image.repository();
    let Some(seen) = image.healthcheck else {
        let why = image
            .healthcheck_unread
            .as_deref()
            .unwrap_or("nobody asked for it");
        let what =
            format!("its HEALTHCHECK could not be read, and is judged once the image is pulled: {why}");
        findings.push(Finding::warn(subject, what));
        return None;
    };
    if let Some(not_ready) = refused_healthcheck(definition, seen) {
        findings.push(Finding::refuse(
            subject,
            not_ready.what,
            not_ready.hint.unwrap_or_default(),
        ));
    }
    match seen {
        ImageHealthcheck::Present(check) => Some(check),
        ImageHealthcheck::Absent => None,
    }
}

/// Why this image cannot be verified by its HEALTHCHECK as the service's file asks; `None` where it can, or
/// where the file does not ask for it.
pub fn refused_healthcheck(definition: &ServiceDefinition, image: ImageHealthcheck) -> Option<Failure> {
    let verify = &definition.verify;
    if verify.probe != Probe::Healthcheck {
        return None;
    }
    let check = match image {
        ImageHealthcheck::Present(check) => check,
        ImageHealthcheck::Absent => {
            let hint = "add a HEALTHCHECK to the image, or verify by http or command in the service's file";
            return Some(
                Failure::new("the image has no HEALTHCHECK, and verify.healthcheck is true").with_hint(hint),
            );
        }
    };
    let longest_ms = check.longest_ms();
    (longest_ms > verify.start_timeout_ms).then(|| {
        let what = format!(
            "the image's HEALTHCHECK may take {} to come to a verdict (start period {} + {} x (interval {} + timeout {})), \
             and verify.start_timeout is {}",
            span(longest_ms),
            span(check.start_period_ms),
            check.retries,
            span(check.interval_ms),
            span(check.timeout_ms),
            span(verify.start_timeout_ms)
        );
        let hint = format!(
            "write start_timeout = \"{}\" or more in [verify] of the service's file, or give the image a shorter HEALTHCHECK",
            span(longest_ms)
        );
        Failure::new(what).with_hint(hint)
    })
}

/// A duration as a service's file has it.
fn span(ms: u64) -> String {
    match ms {
        0 => "0s".to_owned(),
        ms if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        ms if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_a_file_has_them() {
        for (ms, text) in [
            (0, "0s"),
            (250, "250ms"),
            (45_000, "45s"),
            (90_000, "90s"),
            (180_000, "3m"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
