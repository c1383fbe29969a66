-- Streams that a generation of a view leaves out, because of an event that it cannot take.

CREATE TABLE parked (
    view       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    stream     TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('parked', 'waiting', 'discarded')),
    position   INTEGER NOT NULL, -- of the event that cannot be taken
    version    INTEGER NOT NULL,
    event_type TEXT    NOT NULL,
    error      TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    since      INTEGER NOT NULL, -- milliseconds since 1970
    tried_at   INTEGER NOT NULL,
    PRIMARY KEY (view, generation, stream)
) STRICT, WITHOUT ROWID;

-- How often the set of a generation's parked streams was changed; 0: none was ever parked.
ALTER TABLE views ADD COLUMN live_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE views ADD COLUMN previous_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE views ADD COLUMN building_revision INTEGER NOT NULL DEFAULT 0;
