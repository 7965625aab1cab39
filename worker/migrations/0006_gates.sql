-- What no release begins under. One of an environment, and one of all ('*').
CREATE TABLE freezes (
    scope  TEXT PRIMARY KEY,
    until  TEXT NOT NULL,
    freeze TEXT NOT NULL
);

-- Which bytes a release is of: an environment may require that they have succeeded in another one.
ALTER TABLE releases ADD COLUMN digest TEXT;
UPDATE releases SET digest = COALESCE(
    (SELECT json_extract(entry, '$.record.outcome.evidence.digest') FROM journal
     WHERE release_id = releases.id AND json_extract(entry, '$.record.outcome.evidence.evidence') = 'resolved' LIMIT 1),
    (SELECT substr(json_extract(entry, '$.record.request.image'), instr(json_extract(entry, '$.record.request.image'), '@') + 1)
     FROM journal WHERE release_id = releases.id AND n = 1 AND json_extract(entry, '$.record.request.image') LIKE '%@%'));
CREATE INDEX releases_by_digest ON releases (service, digest, environment) WHERE outcome = 'succeeded';
