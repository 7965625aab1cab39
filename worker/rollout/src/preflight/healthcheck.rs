//! Whether the image's own HEALTHCHECK can say in time that a swap is good.

use drawgate_schemas::ReleaseRequest;

use super::Finding;
use crate::definition::{Probe, ServiceDefinition};
use crate::healthcheck::{Healthcheck, ImageHealthcheck, unfit_healthcheck};
use crate::snapshot::ImageSnapshot;

/// Judges it, and gives how it is run. Where it could not be read, it is judged once the image is on a host, which is before any
/// host is touched: a warning says so.
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
    if let Some(unfit) = unfit_healthcheck(definition, seen) {
        findings.push(Finding::refuse(
            subject,
            unfit.what,
            unfit.hint.unwrap_or_default(),
        ));
    }
    match seen {
        ImageHealthcheck::Present(check) => Some(check),
        ImageHealthcheck::Absent => None,
    }
}
