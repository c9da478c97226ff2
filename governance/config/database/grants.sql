-- What the limited roles of this database may do. Idempotent; runs after every migration, as the owner, in one
-- transaction: first everything is taken away, then given anew, so that this text alone says who may what.
--
-- gateway: only the tables and functions of the hot path; no log-in tables.
-- console: reads and writes what pages change; writes sealed credentials and cannot read them.
-- worker:  background work; no log-in tables.
-- Nobody but the owner updates, deletes or truncates the append-only tables.

DO $grants$
DECLARE
    gateway text := current_database() || '_gateway';
    console text := current_database() || '_console';
    worker text := current_database() || '_worker';
    -- Append-only: rows are added and read.
    append_only text[] := ARRAY[
        'audit_event', 'ledger_entry', 'ledger_posting', 'ledger_usagerecord', 'metering_usagerecord'
    ];
    -- Who logs in, and how.
    log_in text[] := ARRAY['django_session'];
    sealed text := 'connections_sealedcredential';
    -- Changed by SQL functions alone; the console may set an account's limit and nothing else of it.
    by_functions text[] := ARRAY[
        'budgets_account', 'ledger_ledgeraccount', 'metering_attempt', 'metering_overrun', 'metering_worker'
    ];
    -- What a policy snapshot is compiled from, and what shows whether another process of the host is alive.
    read_by_gateway text[] := ARRAY[
        'budgets_budget', 'catalog_aliastarget', 'catalog_deployment', 'catalog_languagemodel', 'catalog_modelalias',
        'catalog_price', 'catalog_pricebook', 'connections_connection', 'keys_keysecret', 'keys_virtualkey',
        'metering_worker', 'policy_accessgroup', 'policy_allowrule', 'policy_version', 'teams_businessunit',
        'teams_costcentre', 'teams_organisation', 'teams_team'
    ];
    called_by_gateway text[] := ARRAY[
        'budgets_open_account', 'metering_flush', 'metering_recover', 'metering_register', 'metering_reserve'
    ];
    relation record;
    columns text;
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I, %I, %I', current_database(), gateway, console, worker);
    EXECUTE 'REVOKE ALL ON SCHEMA public FROM PUBLIC';
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I, %I, %I', gateway, console, worker);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, %I, %I, %I', gateway, console, worker);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, %I, %I, %I', gateway, console, worker);
    EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA public FROM PUBLIC, %I, %I, %I', gateway, console, worker);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO %I, %I', console, worker);
    EXECUTE format('GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO %I, %I', console, worker);

    FOR relation IN
        SELECT class.relname AS name, class.oid AS id
        FROM pg_class AS class
        WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p', 'v', 'm')
        ORDER BY class.relname
    LOOP
        IF relation.name = 'django_migrations' THEN
            EXECUTE format('GRANT SELECT ON %I TO %I, %I', relation.name, console, worker);
        ELSIF relation.name = sealed THEN
            -- A row can be found, written and removed; what is sealed in it cannot be read.
            SELECT string_agg(format('%I', attribute.attname), ', ') INTO columns
            FROM pg_attribute AS attribute
            WHERE attribute.attrelid = relation.id AND attribute.attnum > 0 AND NOT attribute.attisdropped
              AND format_type(attribute.atttypid, NULL) <> 'bytea';
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %I TO %I', relation.name, console);
            EXECUTE format('GRANT SELECT (%s) ON %I TO %I', columns, relation.name, console);
            EXECUTE format('GRANT SELECT ON %I TO %I, %I', relation.name, gateway, worker);
        ELSIF relation.name = ANY (by_functions) THEN
            EXECUTE format('GRANT SELECT ON %I TO %I, %I', relation.name, console, worker);
        ELSIF relation.name = ANY (append_only) THEN
            EXECUTE format('GRANT SELECT, INSERT ON %I TO %I, %I', relation.name, console, worker);
        ELSIF relation.name = ANY (log_in) OR relation.name LIKE 'account\_%' OR relation.name LIKE 'mfa\_%' THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I', relation.name, console);
        ELSE
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I, %I', relation.name, console, worker);
        END IF;
    END LOOP;

    FOR relation IN SELECT relname AS name FROM pg_class
                     WHERE relnamespace = 'public'::regnamespace AND relname = ANY (read_by_gateway)
    LOOP
        EXECUTE format('GRANT SELECT ON %I TO %I', relation.name, gateway);
    END LOOP;
    FOR relation IN SELECT oid::regprocedure::text AS name FROM pg_proc
                     WHERE pronamespace = 'public'::regnamespace AND proname = ANY (called_by_gateway)
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', relation.name, gateway);
    END LOOP;
    -- Error messages name the person a budget belongs to; passwords stay out of the gateway's sight.
    EXECUTE format('GRANT SELECT (id, email) ON teams_user TO %I', gateway);
    EXECUTE format('GRANT UPDATE (limit_nano) ON budgets_account TO %I', console);
END
$grants$;
