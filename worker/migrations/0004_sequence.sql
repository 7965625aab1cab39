-- The build's place in the order of builds, where a release says it: an older build that comes late is superseded.
ALTER TABLE releases ADD COLUMN sequence INTEGER;
CREATE INDEX releases_by_sequence ON releases (environment, service, outcome, sequence);
