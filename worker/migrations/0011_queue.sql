-- A lane reads its own queue, at each acceptance and each renewal, and not the open releases of all lanes.
CREATE INDEX releases_queued ON releases (environment, service, place) WHERE outcome IS NULL;
