-- The ledger: inbox, journal, outbox. Written for SQLite; what differs elsewhere (AUTOINCREMENT) stands in
-- migrations only, the queries keep to what SQLite and PostgreSQL share.

-- One row per accepted release. `place` is the order of acceptance and is never used twice.
CREATE TABLE releases (
    place       INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    outcome     TEXT
);
CREATE INDEX releases_of_lane ON releases (environment, service, place);
CREATE INDEX releases_open ON releases (place) WHERE outcome IS NULL;

-- The journal. The primary key is what keeps two writers from both appending entry n.
CREATE TABLE journal (
    release_id     TEXT NOT NULL REFERENCES releases (id),
    n              INTEGER NOT NULL,
    record_version INTEGER NOT NULL,
    epoch          INTEGER NOT NULL,
    entry          TEXT NOT NULL,
    PRIMARY KEY (release_id, n)
);
CREATE INDEX journal_versions ON journal (record_version);

-- Status events in the order they are published. Events of releases stay: `show` answers from them.
CREATE TABLE events (
    place       INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id    TEXT NOT NULL UNIQUE,
    release_id  TEXT REFERENCES releases (id),
    sequence    INTEGER NOT NULL,
    routing_key TEXT NOT NULL,
    body        TEXT NOT NULL,
    published   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (release_id, sequence)
);
CREATE INDEX events_unpublished ON events (place) WHERE published = 0;
CREATE INDEX events_without_release ON events (place) WHERE release_id IS NULL;

-- Leases. `until_ms` is CLOCK_BOOTTIME of the boot that `boot_id` names.
CREATE TABLE lanes (
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    holder      TEXT,
    worker      TEXT NOT NULL,
    boot_id     TEXT NOT NULL,
    until_ms    INTEGER NOT NULL,
    PRIMARY KEY (environment, service)
);

-- Posts to chat: begun before the request is sent, done after its 2xx.
CREATE TABLE chat_posts (
    place    INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    done     INTEGER NOT NULL DEFAULT 0
);

-- One row that is rewritten to learn whether the ledger can be written.
CREATE TABLE probes (
    name  TEXT PRIMARY KEY,
    count INTEGER NOT NULL
);
