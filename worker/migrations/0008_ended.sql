-- For the status of all lanes: what ended last in each, by its end and not by its place in the line. What made room for a newer release did nothing.
DROP INDEX releases_ended;
CREATE INDEX releases_by_end ON releases (environment, service, ended_at, place) WHERE outcome <> 'superseded';
