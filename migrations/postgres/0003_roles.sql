-- What each service may do, as roles that nobody logs in with: who runs a service gets a user of its
-- own that is a member (docs/adr/0016-roles-and-tls.md). None of them may change or remove an event,
-- or write one past append_events; the triggers stay as a second line, against the owner's mistakes.
--
-- Roles belong to the whole server: another database's migration may have made them, or be at it.

DO $$
DECLARE
    missing text;
BEGIN
    FOREACH missing IN ARRAY ARRAY['portal_commands', 'portal_relay', 'portal_query'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = missing) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'the role % is missing and % may not create it: let an '
                        'administrator run CREATE ROLE portal_commands; CREATE ROLE portal_relay; '
                        'CREATE ROLE portal_query; and migrate again', missing, current_user
                        USING ERRCODE = 'insufficient_privilege';
            END;
        END IF;
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO portal_commands, portal_relay, portal_query',
                   current_schema());
    -- With the owner's rights, so that its rules are the only way into the log; with these tables
    -- and no others, whatever search path the caller has.
    EXECUTE format('ALTER FUNCTION append_events SECURITY DEFINER SET search_path = %I, pg_temp',
                   current_schema());
    -- Overwrites destroyed keys at once. Before 17 only a table's owner may: there the setting
    -- below lets the server do it within a minute.
    IF current_setting('server_version_num')::int >= 170000 THEN
        EXECUTE 'GRANT MAINTAIN ON user_keys TO portal_commands';
    END IF;
END $$;

ALTER TABLE user_keys SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

REVOKE ALL ON FUNCTION append_events FROM PUBLIC;
REVOKE ALL ON events, commands, relay_checkpoint, user_keys, passwords, email_claims, refresh_tokens,
    sign_in_attempts FROM PUBLIC;

-- The command-stack, the agenda in it, and `portal import`.
GRANT EXECUTE ON FUNCTION append_events TO portal_commands;
GRANT SELECT ON events, commands TO portal_commands;
GRANT SELECT, INSERT, DELETE ON user_keys, sign_in_attempts TO portal_commands;
GRANT SELECT, INSERT, UPDATE, DELETE ON passwords, email_claims, refresh_tokens TO portal_commands;

-- The relay.
GRANT SELECT ON events TO portal_relay;
GRANT SELECT, UPDATE ON relay_checkpoint TO portal_relay;

-- The query-stacks and what only looks: `portal replay`, `verify`, `events` and `seal`.
GRANT SELECT ON events, user_keys TO portal_query;
