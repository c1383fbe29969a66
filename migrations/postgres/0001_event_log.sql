-- The event log. Nothing in it is ever changed or removed; the triggers below see to that.

CREATE TABLE events (
    position       bigint PRIMARY KEY,
    -- "C" collation: byte order, the order in which `portal verify` walks the streams.
    stream_id      text COLLATE "C" NOT NULL,
    version        bigint NOT NULL,
    event_id       uuid NOT NULL UNIQUE,
    partition      text COLLATE "C" NOT NULL,
    event_type     text NOT NULL,
    schema_version smallint NOT NULL,
    data           jsonb NOT NULL,
    metadata       jsonb NOT NULL,
    recorded_at    timestamptz NOT NULL,
    -- Also answers "which version is this stream at", so no table of streams is needed.
    UNIQUE (stream_id, version)
);

-- One category's past, and the position before a position in it.
CREATE INDEX events_by_partition ON events (partition, position);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER events_are_kept BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER the_log_is_kept BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Which event answered which Idempotency-Key.
CREATE TABLE commands (
    command_id  text COLLATE "C" PRIMARY KEY,
    fingerprint bytea NOT NULL,
    stream_id   text COLLATE "C" NOT NULL,
    version     bigint NOT NULL,
    position    bigint NOT NULL
);

-- How far the relay has published. One row.
CREATE TABLE relay_checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL
);
INSERT INTO relay_checkpoint (position) VALUES (0);

-- Outside the log on purpose: this can be deleted.
CREATE TABLE credentials (
    user_id       uuid PRIMARY KEY,
    email         text NOT NULL,
    -- Case-folded: what makes two addresses the same.
    email_key     text COLLATE "C" NOT NULL CONSTRAINT credentials_email_key UNIQUE,
    password_hash text NOT NULL,
    -- Milliseconds since 1970.
    claimed_at    bigint NOT NULL
);

-- Appends a batch of requests in one round trip and answers each by itself: 'appended' with the
-- position of its last event, 'conflict', or 'repeated' with what the first command was answered.
--
-- The lock makes position order equal to commit order: a number is only taken by who commits
-- before the next one is taken, so no reader can pass a position that fills up later. A sequence
-- does not give that.
--
-- Within a batch no stream and no command id may occur in two requests; the caller sees to it.
CREATE FUNCTION append_events(
    command_requests int[], command_ids text[], fingerprints bytea[],
    stream_requests int[], stream_ids text[], expected_versions bigint[],
    event_requests int[], event_stream_ids text[], event_versions bigint[], event_ids uuid[],
    partitions text[], event_types text[], schema_versions smallint[],
    event_data text[], event_metadata text[]
) RETURNS TABLE (
    request int, outcome text, last_position bigint, appended_at timestamptz,
    first_fingerprint bytea, first_stream_id text, first_version bigint
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    head      bigint;
    head_time timestamptz;
    moment    timestamptz;
    repeated  int[];
    refused   int[];
BEGIN
    PERFORM pg_advisory_xact_lock(7310274);

    SELECT position, recorded_at INTO head, head_time FROM events ORDER BY position DESC LIMIT 1;
    -- Never earlier than the event before, even if the server's clock was set back.
    moment := greatest(date_trunc('milliseconds', clock_timestamp()), head_time);

    repeated := ARRAY(
        SELECT asked.request FROM unnest(command_requests, command_ids) AS asked (request, command_id)
        JOIN commands USING (command_id));
    refused := repeated || ARRAY(
        SELECT asked.request
        FROM unnest(stream_requests, stream_ids, expected_versions) AS asked (request, stream_id, expected)
        WHERE asked.expected <> coalesce(
            (SELECT max(version) FROM events WHERE events.stream_id = asked.stream_id), 0));

    PERFORM pg_notify('portal_events', '');

    RETURN QUERY
    WITH accepted AS (
        SELECT fresh.*, coalesce(head, 0) + row_number() OVER (ORDER BY fresh.ordinal) AS position
        FROM unnest(event_requests, event_stream_ids, event_versions, event_ids, partitions,
                    event_types, schema_versions, event_data, event_metadata)
            WITH ORDINALITY AS fresh (request, stream_id, version, event_id, partition,
                    event_type, schema_version, data, metadata, ordinal)
        WHERE fresh.request <> ALL (refused)
    ), recorded AS (
        INSERT INTO events
        SELECT position, stream_id, version, event_id, partition, event_type, schema_version,
               data::jsonb, metadata::jsonb, moment
        FROM accepted
    ), last AS (
        SELECT DISTINCT ON (request) request, stream_id, version, position
        FROM accepted ORDER BY request, position DESC
    ), remembered AS (
        INSERT INTO commands
        SELECT command_id, fingerprint, last.stream_id, last.version, last.position
        FROM unnest(command_requests, command_ids, fingerprints) AS asked (request, command_id, fingerprint)
        JOIN last USING (request)
    )
    SELECT last.request, 'appended', last.position, moment, NULL::bytea, NULL::text, NULL::bigint
    FROM last
    UNION ALL
    SELECT asked.request, 'repeated', commands.position, NULL,
           commands.fingerprint, commands.stream_id, commands.version
    FROM unnest(command_requests, command_ids) AS asked (request, command_id)
    JOIN commands USING (command_id)
    UNION ALL
    SELECT DISTINCT stale.request, 'conflict', NULL::bigint, NULL::timestamptz,
           NULL::bytea, NULL::text, NULL::bigint
    FROM unnest(refused) AS stale (request) WHERE stale.request <> ALL (repeated);
END $$;
