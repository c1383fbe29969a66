-- Who does what only one process at a time may do: one row per task. A lease ends by the database's
-- clock, so that whoever sleeps, or is cut off, loses it without being asked; taking one raises the
-- epoch, and what the leader before still sends names an older one and is refused.

CREATE TABLE leases (
    task       text COLLATE "C" PRIMARY KEY,
    epoch      bigint NOT NULL,
    expires_at timestamptz NOT NULL
);
INSERT INTO leases (task, epoch, expires_at) VALUES ('relay', 0, '-infinity'), ('agenda', 0, '-infinity');

REVOKE ALL ON leases FROM PUBLIC;
GRANT SELECT, UPDATE ON leases TO portal_commands, portal_relay;
