-- A lane's counter that has started again: releases that had succeeded by then supersede nobody any more.
ALTER TABLE releases ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
-- However many were forgotten, the highest of the others is found at once.
DROP INDEX releases_by_sequence;
CREATE INDEX releases_by_sequence ON releases (environment, service, outcome, forgotten, sequence);

-- Who had a lane's numbers forgotten, when, and why. `id` is the command's: asked again, it is done once.
CREATE TABLE forgotten_sequences (
    place       INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    forgotten   TEXT NOT NULL
);
CREATE INDEX forgotten_sequences_of_lane ON forgotten_sequences (environment, service, place);

-- Requests whose number leapt too far: the same message, delivered again, is refused again, whatever its lane has come to meanwhile.
CREATE TABLE refused_sequences (
    place       INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    highest     INTEGER NOT NULL
);
CREATE INDEX refused_sequences_of_lane ON refused_sequences (environment, service);
