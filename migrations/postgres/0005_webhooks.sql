-- Partners who are called when something happens. Beside the log, because it can be deleted, and
-- because how far a partner has been told is no fact of the newsroom.

CREATE TABLE webhooks (
    webhook_id text COLLATE "C" PRIMARY KEY,
    -- Rises with every change: who writes names the one that it has read.
    revision   bigint NOT NULL,
    -- A JSON object (command-stack/src/webhooks.rs). The secrets that sign are in it.
    body       text NOT NULL
);

-- What became of the newest deliveries of each: a ring, so that it cannot grow.
CREATE TABLE webhook_deliveries (
    webhook_id text COLLATE "C" NOT NULL,
    slot       bigint NOT NULL,
    number     bigint NOT NULL,
    body       text NOT NULL,
    PRIMARY KEY (webhook_id, slot)
);

INSERT INTO leases (task, epoch, expires_at) VALUES ('webhooks', 0, '-infinity');

REVOKE ALL ON webhooks, webhook_deliveries FROM PUBLIC;
-- The command-stack, which also delivers.
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks, webhook_deliveries TO portal_commands;
