-- The event log of the embedded wiring: the same tables as in PostgreSQL. SQLite has one writer at
-- a time, so that positions are in commit order without a further lock.

CREATE TABLE events (
    position       INTEGER PRIMARY KEY,
    stream_id      TEXT NOT NULL,
    version        INTEGER NOT NULL,
    event_id       BLOB NOT NULL UNIQUE,
    partition      TEXT NOT NULL,
    event_type     TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    data           TEXT NOT NULL CHECK (json_valid(data)),
    metadata       TEXT NOT NULL CHECK (json_valid(metadata)),
    -- Milliseconds since 1970.
    recorded_at    INTEGER NOT NULL,
    UNIQUE (stream_id, version)
) STRICT;

CREATE INDEX events_by_partition ON events (partition, position);

CREATE TRIGGER events_are_not_updated BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the event log is append-only: UPDATE refused'); END;
-- With this trigger SQLite also gives up its truncate optimisation: a DELETE of all is refused too.
CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the event log is append-only: DELETE refused'); END;
-- INSERT OR REPLACE removes the row that is in its way without asking the trigger above.
CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
    OR EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id)
    OR EXISTS (SELECT 1 FROM events WHERE stream_id = NEW.stream_id AND version = NEW.version)
BEGIN SELECT RAISE(ABORT, 'the event log is append-only: REPLACE refused'); END;

CREATE TABLE commands (
    command_id  TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    stream_id   TEXT NOT NULL,
    version     INTEGER NOT NULL,
    position    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE relay_checkpoint (
    only_row INTEGER PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    position INTEGER NOT NULL
) STRICT;
INSERT INTO relay_checkpoint (position) VALUES (0);

CREATE TABLE credentials (
    user_id       BLOB PRIMARY KEY,
    email         TEXT NOT NULL,
    email_key     TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    claimed_at    INTEGER NOT NULL
) STRICT;
