-- Fail-over: a database that goes on where a standby (or a backup) had arrived may lack what was committed last. PostgreSQL
-- then counts another timeline. Before anything is granted on it, the processes that live say what they hold.

-- The timeline that is written now. pg_control knows it only after a checkpoint, the name of the log's file at once.
CREATE FUNCTION metering_timeline_number() RETURNS integer
LANGUAGE sql VOLATILE AS $$
    SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
$$;

-- Whether who asks relies on a synchronous standby, as a gateway's session may say: then a fail-over loses nothing.
CREATE FUNCTION metering_needs_standby() RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('bursar.needs_synchronous_standby', true), '') = 'on'
$$;

-- Makes sure that the timeline is the one the books know, and otherwise takes it up: every living epoch is fenced, so that its
-- process finds out and asserts its leases; no id of the lost seconds is given a second time; and no grant is made for ten
-- seconds, in which processes that are cut off from one database are connected to the next. Returns the timeline, and how
-- long grants still pause. Two standbys that are promoted one after the other may give themselves the same number: the token
-- tells them apart. Locks: an advisory one, then workers.
CREATE FUNCTION metering_take_timeline(OUT number integer, OUT token uuid, OUT pause_seconds double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_known metering_timeline;
BEGIN
    number := metering_timeline_number();
    SELECT * INTO v_known FROM metering_timeline t ORDER BY t.id DESC LIMIT 1;
    IF v_known.number IS DISTINCT FROM number THEN
        PERFORM pg_advisory_xact_lock(hashtext('bursar_timeline'));
        SELECT * INTO v_known FROM metering_timeline t ORDER BY t.id DESC LIMIT 1;
    END IF;
    IF v_known.number IS DISTINCT FROM number THEN
        IF v_known.number IS NOT NULL THEN
            UPDATE metering_worker SET state = 'fenced' WHERE state = 'alive';
            PERFORM setval(format('%I.%I', s.schemaname, s.sequencename)::regclass,
                           coalesce(s.last_value, s.start_value) + 10000 + (random() * 1000000)::bigint)
               FROM pg_sequences s
              WHERE s.schemaname = 'public' AND s.sequenceowner = current_user AND s.data_type = 'bigint'::regtype;
        END IF;
        INSERT INTO metering_timeline (number, grants_from)
        VALUES (metering_take_timeline.number,
                clock_timestamp() + CASE WHEN v_known.number IS NULL THEN '0' ELSE '10 seconds' END::interval)
        RETURNING * INTO v_known;
    END IF;
    token := v_known.token;
    pause_seconds := CASE WHEN metering_needs_standby() THEN 0
                          ELSE greatest(0, extract(epoch FROM v_known.grants_from - clock_timestamp())) END;
END $$;

-- Why nothing may be granted just now, or NULL.
CREATE FUNCTION metering_grants_stop() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_pause double precision;
BEGIN
    SELECT t.pause_seconds INTO v_pause FROM metering_take_timeline() AS t;
    RETURN CASE WHEN v_pause > 0 THEN 'paused'
                WHEN metering_needs_standby() AND current_setting('synchronous_standby_names') = '' THEN 'unguarded' END;
END $$;

CREATE OR REPLACE FUNCTION metering_register(p_host text, p_lock_name text, p_process_id integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT metering_take_timeline();
    INSERT INTO metering_worker (host, lock_name, process_id) VALUES (p_host, p_lock_name, p_process_id)
    RETURNING epoch
$$;

-- The epochs that a lock stands for, the latest first: a process looks whether the books still know it.
CREATE FUNCTION metering_epochs_of(p_lock_name text) RETURNS TABLE (epoch bigint, state text, last_sequence bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT w.epoch, w.state, w.last_sequence FROM metering_worker w WHERE w.lock_name = p_lock_name ORDER BY w.epoch DESC
$$;

-- A process that lives says what is so: p_leases is what it has of every account, p_outcomes what was confirmed to it lately.
-- What the books know of its leases is replaced by that, outcomes they lost are booked as facts, and its accounts that
-- they lost are opened again. It is the process's own word, which its lock, still held, allows: nobody else speaks for it.
-- Returns its new epoch, and the accounts on which it has nothing any more: another account stands in their place.
-- Locks: worker, accounts ascending by id, leases, then as metering_book.
CREATE FUNCTION metering_reassert(
    p_host text, p_lock_name text, p_process_id integer, p_leases json, p_outcomes json
) RETURNS TABLE (epoch bigint, strays bigint[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_former bigint;
    v_epoch  bigint;
    v_strays bigint[];
BEGIN
    PERFORM metering_take_timeline();
    SELECT w.epoch INTO v_former FROM metering_worker w
     WHERE w.lock_name = p_lock_name AND w.state IN ('alive', 'fenced') FOR UPDATE;
    PERFORM budgets_reopen_account(l.account_id, l.budget_id, l.user_id, l.key_id, l.starts_at, l.ends_at)
       FROM json_to_recordset(p_leases) AS l (
            account_id bigint, budget_id bigint, user_id bigint, key_id bigint, starts_at timestamptz,
            ends_at timestamptz)
      WHERE l.budget_id IS NOT NULL;
    PERFORM 1 FROM budgets_account a
      WHERE a.id IN (SELECT account_id FROM metering_lease WHERE epoch = v_former)
         OR a.id IN (SELECT (l->>'account_id')::bigint FROM json_array_elements(p_leases) AS l)
         OR a.id IN (SELECT account::bigint FROM json_array_elements(p_outcomes) AS o,
                            json_array_elements_text(o->'account_ids') AS account)
      ORDER BY a.id FOR NO KEY UPDATE;
    PERFORM metering_give_back(v_former, array_agg(account_id), array_agg(amount_nano))
       FROM metering_lease WHERE epoch = v_former;
    DELETE FROM metering_lease WHERE epoch = v_former;
    UPDATE metering_worker SET state = 'dead' WHERE epoch = v_former;
    INSERT INTO metering_worker AS w (host, lock_name, process_id) VALUES (p_host, p_lock_name, p_process_id)
    RETURNING w.epoch INTO v_epoch;
    PERFORM metering_book_late(v_epoch, NULL, o) FROM json_array_elements(p_outcomes) AS o;
    WITH said AS (
        SELECT l.account_id, l.amount_nano, a.id IS NULL AS is_stray
          FROM json_to_recordset(p_leases) AS l (
               account_id bigint, amount_nano bigint, budget_id bigint, starts_at timestamptz)
          LEFT JOIN budgets_account a
            ON a.id = l.account_id
           AND (l.budget_id IS NULL OR (a.budget_id = l.budget_id AND a.starts_at = l.starts_at))
    ), lease AS (
        INSERT INTO metering_lease (epoch, account_id, amount_nano, used_at)
        SELECT v_epoch, account_id, amount_nano, clock_timestamp() FROM said WHERE NOT is_stray AND amount_nano > 0
        RETURNING account_id, amount_nano
    ), account AS (
        UPDATE budgets_account a SET held_nano = a.held_nano + lease.amount_nano FROM lease WHERE a.id = lease.account_id
    )
    SELECT array_agg(account_id) FILTER (WHERE is_stray) INTO v_strays FROM said;
    RETURN QUERY SELECT v_epoch, coalesce(v_strays, '{}');
END $$;
