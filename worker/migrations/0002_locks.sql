-- Locks of releases on what several services can share. Taken all or none, freed with the release's end.
CREATE TABLE locks (
    name        TEXT PRIMARY KEY,
    release_id  TEXT NOT NULL REFERENCES releases (id),
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    since       TEXT NOT NULL
);
CREATE INDEX locks_of_release ON locks (release_id);

-- One row: how often locks were freed. Who looked at a fleet and finds the same number afterwards knows that nobody has
-- ended a release on it meanwhile.
CREATE TABLE lock_frees (
    count INTEGER NOT NULL
);
INSERT INTO lock_frees (count) VALUES (0);
