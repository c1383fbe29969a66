-- What signed-in users read. The one thing here that is no fold of the event log: raw readings are
-- kept for ninety days, and the rest is made of them.

CREATE TABLE readings (
    user_id    TEXT    NOT NULL, -- UUIDs, lower case with hyphens
    article_id TEXT    NOT NULL,
    hour       INTEGER NOT NULL, -- since 1970: within it, an article is read once
    category   TEXT    NOT NULL,
    labels     TEXT    NOT NULL, -- a JSON array
    at         INTEGER NOT NULL, -- milliseconds since 1970
    PRIMARY KEY (user_id, article_id, hour)
) STRICT, WITHOUT ROWID;

CREATE INDEX readings_by_time ON readings (at, article_id, user_id, category);

CREATE TABLE readers (
    user_id TEXT NOT NULL PRIMARY KEY,
    body    TEXT NOT NULL -- JSON: the profile, and up to when it is forgotten what was read
) STRICT, WITHOUT ROWID;

CREATE TABLE reader_labels (
    label   TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (label, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX reader_labels_of ON reader_labels (user_id);

-- How far the log was followed for what users want forgotten: one row, or none yet.
CREATE TABLE forgetting (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL
) STRICT;
