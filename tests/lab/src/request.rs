use drawgate_schemas::{ReleaseId, ReleaseRequest, Version1};
use jiff::Timestamp;
use uuid::Uuid;

/// A release request of its own for this service in staging, with nothing that may be left out.
pub fn request_of(service: &str) -> ReleaseRequest {
    ReleaseRequest {
        version: Version1,
        id: ReleaseId::try_from(Uuid::now_v7()).unwrap(),
        environment: "staging".parse().unwrap(),
        service: service.parse().unwrap(),
        image: "registry.example.com/search-api:main".parse().unwrap(),
        revision: None,
        branch: None,
        sequence: None,
        build: None,
        requested_by: None,
        requested_at: Timestamp::now(),
        expires_at: None,
        reason: None,
        emergency: None,
        force: false,
        options: Default::default(),
    }
}
