-- For the status of all lanes: when a release ended, and the last one of each lane that did.
ALTER TABLE releases ADD COLUMN ended_at TEXT;
CREATE INDEX releases_ended ON releases (environment, service, place) WHERE outcome IS NOT NULL;
