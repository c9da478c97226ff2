-- What the limited roles of this database may do. Idempotent; runs after every migration, as the owner, in one
-- transaction: first everything is taken away, then given anew, so that this text alone says who may what.
--
-- gateway: only the tables and functions of the hot path; no log-in tables.
-- console: reads and writes what pages change; writes sealed credentials and cannot read them.
-- worker:  background work; no log-in tables.
-- Nobody but the owner updates, deletes or truncates the append-only tables; usage records, entries and postings are
-- written by SQL functions alone, and of those each role may call what its own work needs.

DO $grants$
DECLARE
    gateway text := current_database() || '_gateway';
    console text := current_database() || '_console';
    worker text := current_database() || '_worker';
    -- Append-only: rows are added and read.
    append_only text[] := ARRAY['audit_auditevent'];
    -- Who logs in, and how, and with which token: the console's alone.
    log_in text := '^(account_|mfa_|usersessions_|socialaccount_|identity_|django_session$|tokens_|api_)';
    -- What the gateway reads to compile its snapshot; it writes through functions that run with the owner's rights.
    snapshot text := '^(teams_(organisation|businessunit|costcentre|team|accessgroup)|connections_|catalog_|keys_|policy_'
        '|budgets_|jobs_)';
    -- What is stored of prompts is written by gateways through a function, and read and erased by the console.
    stored text := 'prompts_storedprompt';
    data_keys text := 'prompts_promptstorage';
    gateway_functions text := '^(budgets_open_account|jobs_(begin|drop|forget_file|keep_file|note|own_files)'
        '|metering_(add_refusals|end_durable|epochs_of|fence|flush|grant|hold_durably|lose|open_allowance|reassert'
        '|recover|register|standing|succeed|take|take_timeline)|prompts_keep)$';
    -- In the name of a gateway process, which the others are not.
    gateway_alone text := '^(jobs_(begin|drop|forget_file|keep_file|note)|metering_(add_refusals|epochs_of|fence|flush|grant'
        '|hold_durably|lose|open_allowance|reassert|register|standing|succeed|take|take_timeline)|prompts_keep)$';
    -- Parts of other functions: called by themselves they could post what nothing stands behind.
    inner_functions text := '^(budgets_(recall_ended|reopen_account)|ledger_(make_partition|post|sum_up_day)'
        '|metering_(book|book_late|durable_facts|give_back|grants_stop|left|lock_durable|needs_standby|nobody'
        '|open_ledger_accounts|timeline_number'
        '|window_end|window_start))$';
    people text := 'teams_user';
    -- Changed by SQL functions alone; the console may set an account's limit and when its last increase ends.
    by_functions text[] := ARRAY[
        'budgets_account', 'ledger_dayaccountsum', 'ledger_dayentrysum', 'ledger_daysum', 'ledger_daysumprogress',
        'ledger_dayusagesum', 'ledger_detached_now', 'ledger_detachedday',
        'ledger_entry', 'ledger_ledgeraccount', 'ledger_posting', 'ledger_reattachedday',
        'ledger_usagerecord', 'metering_allotment', 'metering_allowance', 'metering_attempt', 'metering_durableline',
        'metering_durablereservation', 'metering_lease', 'metering_overrun', 'metering_refusalsum', 'metering_timeline',
        'metering_worker'
    ];
    sealed text := 'connections_sealedcredential';
    -- Days of usage records that were taken off the books' table: the owner's, to dump and drop.
    detached text := '^ledger_detached_[0-9]{8}$';
    relation record;
    columns text;
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I, %I, %I', current_database(), gateway, console, worker);
    EXECUTE 'REVOKE ALL ON SCHEMA public FROM PUBLIC';
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I, %I, %I', gateway, console, worker);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, %I, %I, %I', gateway, console, worker);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, %I, %I, %I', gateway, console, worker);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO %I, %I', console, worker);

    FOR relation IN
        SELECT class.relname AS name, class.oid AS id
        FROM pg_class AS class
        WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p', 'v', 'm')
          AND NOT class.relispartition  -- rights on a partition would go round those on its table
        ORDER BY class.relname
    LOOP
        IF relation.name ~ detached THEN
            CONTINUE;
        ELSIF relation.name = 'django_migrations' OR relation.name = 'bursar_preparation' THEN
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
        ELSIF relation.name = stored THEN
            EXECUTE format('GRANT SELECT, DELETE ON %I TO %I', relation.name, console);
        ELSIF relation.name = data_keys THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I', relation.name, console);
            EXECUTE format('GRANT SELECT ON %I TO %I', relation.name, gateway);
        ELSIF relation.name = ANY (by_functions) THEN
            EXECUTE format('GRANT SELECT ON %I TO %I, %I', relation.name, console, worker);
        ELSIF relation.name = ANY (append_only) THEN
            EXECUTE format('GRANT SELECT, INSERT ON %I TO %I, %I', relation.name, console, worker);
        ELSIF relation.name ~ log_in THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I', relation.name, console);
        ELSIF relation.name = people THEN
            -- The worker writes to people; it cannot read the digests of their passwords.
            SELECT string_agg(format('%I', attribute.attname), ', ') INTO columns
            FROM pg_attribute AS attribute
            WHERE attribute.attrelid = relation.id AND attribute.attnum > 0 AND NOT attribute.attisdropped
              AND attribute.attname <> 'password';
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I', relation.name, console);
            EXECUTE format('GRANT SELECT (%s) ON %I TO %I', columns, relation.name, worker);
        ELSE
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I, %I', relation.name, console, worker);
            IF relation.name ~ snapshot THEN
                EXECUTE format('GRANT SELECT ON %I TO %I', relation.name, gateway);
            END IF;
        END IF;
    END LOOP;

    FOR relation IN
        SELECT routine.oid::regprocedure::text AS name, routine.proname ~ gateway_functions AS is_the_gateways,
               routine.proname ~ gateway_alone OR routine.proname ~ inner_functions AS is_kept_from_django
        FROM pg_proc AS routine
        WHERE routine.pronamespace = 'public'::regnamespace
          AND pg_get_userbyid(routine.proowner) = current_user  -- not what belongs to extensions
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC, %I, %I, %I', relation.name, gateway, console, worker);
        IF NOT relation.is_kept_from_django THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I, %I', relation.name, console, worker);
        END IF;
        IF relation.is_the_gateways THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', relation.name, gateway);
        END IF;
    END LOOP;
    -- Whether another process of the host is alive; and whom a budget belongs to, for error messages.
    EXECUTE format('GRANT SELECT ON metering_worker TO %I', gateway);
    EXECUTE format('GRANT SELECT (id, email) ON teams_user TO %I', gateway);
    EXECUTE format('GRANT UPDATE (limit_nano, increased_until) ON budgets_account TO %I', console);
END
$grants$;
