-- The views of the embedded wiring. Everything here can be built again from the event log.

CREATE TABLE views (
    name                TEXT    NOT NULL PRIMARY KEY,
    -- The highest generation ever begun: a number is never used twice.
    last_generation     INTEGER NOT NULL,
    live_generation     INTEGER NOT NULL,
    live_position       INTEGER NOT NULL,
    previous_generation INTEGER,
    previous_position   INTEGER,
    building_generation INTEGER,
    building_position   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    view       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    id         TEXT    NOT NULL, -- a UUID, lower case with hyphens: sorts as the UUID does
    version    INTEGER NOT NULL,
    listed_at  INTEGER,          -- milliseconds since 1970; NULL: in no list
    body       TEXT    NOT NULL, -- JSON
    PRIMARY KEY (view, generation, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX documents_listed ON documents (view, generation, listed_at DESC, id DESC)
    WHERE listed_at IS NOT NULL;
