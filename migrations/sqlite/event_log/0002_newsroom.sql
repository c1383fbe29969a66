-- Accounts and sessions, and what the agenda looks for in the log.
--
-- These tables lie outside the log on purpose: what is in them can be deleted. No name and no
-- address is in them, only keys and digests. Times are milliseconds since 1970.

-- Held addresses in the clear, and nobody could sign in with them yet.
DROP TABLE credentials;

-- The key that opens what is sealed of a user. Deleting the row is the erasure.
CREATE TABLE user_keys (
    user_id TEXT PRIMARY KEY,
    key     BLOB NOT NULL
) STRICT;

-- argon2id in PHC string format.
CREATE TABLE passwords (
    user_id TEXT PRIMARY KEY,
    hash    TEXT NOT NULL
) STRICT;

-- Whose an e-mail address is: claimed before the log says so, believed only if the log does.
CREATE TABLE email_claims (
    -- SHA-256 of the address in lower case: what makes two addresses the same.
    email_digest BLOB PRIMARY KEY,
    user_id      TEXT NOT NULL,
    claimed_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX email_claims_by_user ON email_claims (user_id);

-- One row for each refresh token that was given out; those that follow from one sign-in are a family.
CREATE TABLE refresh_tokens (
    -- SHA-256: who reads this table can sign in as nobody.
    token_digest BLOB PRIMARY KEY,
    family       TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER
) STRICT;
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- Sign-ins that are being tried or have failed, of the last minute.
CREATE TABLE sign_in_attempts (
    attempt      INTEGER PRIMARY KEY AUTOINCREMENT,
    email_digest BLOB NOT NULL,
    tried_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_in_attempts_by_email ON sign_in_attempts (email_digest, tried_at);
CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (tried_at);

-- What obliges the portal to do something later. Small: only these few events are in them.
CREATE INDEX events_scheduled ON events (position) WHERE event_type = 'news.article_scheduled';
CREATE INDEX events_erased ON events (position) WHERE event_type = 'user.erased';
CREATE INDEX events_drafted ON events ((data ->> 'author_id')) WHERE event_type = 'news.article_drafted';
