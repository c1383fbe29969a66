-- Partners who are called when something happens. Beside the log, because it can be deleted, and
-- because how far a partner has been told is no fact of the newsroom.

CREATE TABLE webhooks (
    webhook_id TEXT PRIMARY KEY,
    -- Rises with every change: who writes names the one that it has read.
    revision   INTEGER NOT NULL,
    -- A JSON object (command-stack/src/webhooks.rs). The secrets that sign are in it.
    body       TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

-- What became of the newest deliveries of each: a ring, so that it cannot grow.
CREATE TABLE webhook_deliveries (
    webhook_id TEXT NOT NULL,
    slot       INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    body       TEXT NOT NULL CHECK (json_valid(body)),
    PRIMARY KEY (webhook_id, slot)
) STRICT, WITHOUT ROWID;
