-- Reservations that outlive every process: the worst case of a whole job at a vendor, held in the database itself. Each of
-- its lines is an attempt of its own, settled when the vendor has reported it. No epoch owns them: nothing that happens to
-- a gateway process changes one. Amounts are nano-USD.

-- Epoch 0 is no process's: what comes of durable reservations is booked in its name. It has never lived.
CREATE FUNCTION metering_nobody() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO metering_worker (epoch, host, lock_name, process_id, state) VALUES (0, '', '', 0, 'dead')
    ON CONFLICT DO NOTHING;
    SELECT 0::bigint
$$;

-- Holds the sum of p_amounts on every account, all or none. Each line has a name, by which the vendor reports it, and the
-- id of its attempt. Sent again under the same id it does nothing.
--
-- outcome: granted | exceeded | held | stale, as metering_grant says them, or paused | unguarded (metering_grants_stop).
-- On exceeded and held the account that lacks most is described; at is the instant of admission, or of the refusal.
-- Lines are written before an account is locked, since there may be very many. Locks: accounts ascending by id.
CREATE FUNCTION metering_hold_durably(
    p_durable json, p_accounts bigint[], p_attempts uuid[], p_names text[], p_amounts bigint[]
) RETURNS TABLE (
    outcome text, account_id bigint, limit_nano bigint, settled_nano bigint, held_nano bigint, resets_at timestamptz,
    at timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_durable uuid := (p_durable->>'id')::uuid;
    v_need    bigint;
    v_found   integer := 0;
    v_worst   bigint;
    v_line    record;
BEGIN
    at := clock_timestamp();
    outcome := metering_grants_stop();
    IF outcome IS NOT NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT d.admitted_at INTO at FROM metering_durablereservation d WHERE d.id = v_durable;
    IF FOUND THEN
        outcome := 'granted';
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT coalesce(sum(amount), 0)::bigint INTO v_need FROM unnest(p_amounts) AS amount;
    INSERT INTO metering_durablereservation (
        id, request_id, admitted_at, reserved_nano, held_nano, account_ids, organisation_id, unit_id, cost_centre_id,
        team_id, key_id, user_id, model_id, deployment_id, connection_id, alias, wire, tags)
    SELECT d.id, d.request_id, clock_timestamp(), v_need, v_need, p_accounts, d.organisation_id, d.unit_id,
           d.cost_centre_id, d.team_id, d.key_id, d.user_id, d.model_id, d.deployment_id, d.connection_id, d.alias,
           d.wire, d.tags
      FROM json_populate_record(NULL::metering_durablereservation, p_durable) AS d;
    INSERT INTO metering_durableline (durable_id, attempt_id, name, reserved_nano)
    SELECT v_durable, l.attempt, l.name, l.amount
      FROM unnest(p_attempts, p_names, p_amounts) AS l (attempt, name, amount);
    PERFORM 1 FROM budgets_account a WHERE a.id = ANY (p_accounts) ORDER BY a.id FOR NO KEY UPDATE;
    at := clock_timestamp();
    outcome := 'granted';
    FOR v_line IN
        SELECT a.id, a.settled_nano AS settled, a.held_nano AS held, a.ends_at, x.lim,
               b.enforcement = 'hard' AS is_hard, at >= a.starts_at AND at < a.ends_at AS is_current
          FROM budgets_account a
          JOIN budgets_budget b ON b.id = a.budget_id
         CROSS JOIN LATERAL budgets_limit_at(a, at) AS x (lim)
         WHERE a.id = ANY (p_accounts)
         ORDER BY x.lim - a.settled_nano - a.held_nano, a.id
    LOOP
        v_found := v_found + 1;
        IF NOT v_line.is_current THEN
            outcome := 'stale';
            EXIT;
        ELSIF v_line.is_hard AND v_line.lim - v_line.settled - v_line.held < v_need
              AND (outcome = 'granted' OR (outcome = 'held' AND v_line.lim - v_line.settled < v_need)) THEN
            outcome := CASE WHEN v_line.lim - v_line.settled < v_need THEN 'exceeded' ELSE 'held' END;
            v_worst := v_line.id;
            account_id := v_worst;
            limit_nano := v_line.lim;
            settled_nano := v_line.settled;
            held_nano := v_line.held;
            resets_at := v_line.ends_at;
        END IF;
    END LOOP;
    IF outcome <> 'stale' AND v_found <> cardinality(p_accounts) THEN
        RAISE EXCEPTION 'Of % accounts only % exist.', cardinality(p_accounts), v_found;
    END IF;
    IF outcome = 'granted' THEN
        UPDATE metering_durablereservation SET admitted_at = at WHERE id = v_durable;
        UPDATE budgets_account a SET held_nano = a.held_nano + v_need WHERE a.id = ANY (p_accounts);
    ELSE
        DELETE FROM metering_durableline WHERE durable_id = v_durable;
        DELETE FROM metering_durablereservation WHERE id = v_durable;
        IF outcome = 'held' AND EXISTS (
            SELECT FROM metering_lease l WHERE l.account_id = v_worst AND l.amount_nano > 0
        ) THEN
            PERFORM pg_notify('bursar_recall', v_worst::text);
        END IF;
    END IF;
    RETURN NEXT;
END $$;

-- Books how lines of a durable reservation ended; each element is what metering_book takes of an outcome, with the line's
-- name. A line that ended before, or was never one, is passed over, so that the same results may come again, in any
-- number and order. Returns how many lines ended. Locks: accounts ascending by id, the reservation, then as metering_book.
CREATE FUNCTION metering_settle_lines(p_durable uuid, p_outcomes json) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_durable metering_durablereservation;
    v_rows    json;
    v_freed   bigint;
    v_ended   integer;
BEGIN
    v_durable := metering_lock_durable(p_durable);
    IF v_durable.id IS NULL THEN
        RETURN 0;
    END IF;
    WITH ended AS (
        DELETE FROM metering_durableline l USING json_array_elements(p_outcomes) AS o
         WHERE l.durable_id = p_durable AND l.name = o->>'name'
        RETURNING l.attempt_id, l.reserved_nano, o::jsonb AS outcome
    )
    SELECT json_agg(ended.outcome || metering_durable_facts(v_durable, ended.attempt_id, ended.reserved_nano)),
           coalesce(sum(ended.reserved_nano), 0)::bigint, count(*)
      INTO v_rows, v_freed, v_ended
      FROM ended;
    IF v_ended > 0 THEN
        UPDATE metering_durablereservation SET held_nano = held_nano - v_freed WHERE id = p_durable;
        PERFORM metering_book(metering_nobody(), NULL, v_rows);
    END IF;
    RETURN v_ended;
END $$;

-- Ends a durable reservation. What its lines still hold ends as one attempt under the reservation's own id, as p_outcome
-- says: released, where it is proved that nothing of it is charged; else in suspense, where it stays held until somebody
-- resolves it by name. Returns what was held; NULL when it had ended before. Locks: as metering_settle_lines.
CREATE FUNCTION metering_end_durable(p_durable uuid, p_outcome jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_durable metering_durablereservation;
BEGIN
    IF p_outcome->>'ending' NOT IN ('released', 'suspense') THEN
        RAISE EXCEPTION 'The rest of a reservation is released or goes to suspense, it is not %.', p_outcome->>'ending';
    END IF;
    v_durable := metering_lock_durable(p_durable);
    IF v_durable.id IS NULL THEN
        RETURN NULL;
    END IF;
    DELETE FROM metering_durableline WHERE durable_id = p_durable;
    UPDATE metering_durablereservation SET held_nano = 0, ended_at = clock_timestamp() WHERE id = p_durable;
    IF v_durable.held_nano > 0 THEN
        PERFORM metering_book(metering_nobody(), NULL, json_build_array(
            p_outcome || metering_durable_facts(v_durable, p_durable, v_durable.held_nano)));
    END IF;
    RETURN v_durable.held_nano;
END $$;

-- Locks a reservation that has not ended, after the accounts of its path; NULL where there is none.
CREATE FUNCTION metering_lock_durable(p_durable uuid) RETURNS metering_durablereservation
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_durable metering_durablereservation;
BEGIN
    PERFORM 1 FROM budgets_account
      WHERE id IN (SELECT unnest(account_ids) FROM metering_durablereservation WHERE id = p_durable)
      ORDER BY id FOR NO KEY UPDATE;
    SELECT * INTO v_durable FROM metering_durablereservation WHERE id = p_durable AND ended_at IS NULL FOR UPDATE;
    RETURN v_durable;
END $$;

-- What metering_book wants to know of an attempt, besides its outcome: so much is held for it, outside any lease.
CREATE FUNCTION metering_durable_facts(p_durable metering_durablereservation, p_attempt uuid, p_held bigint) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT to_jsonb(p_durable) || jsonb_build_object(
        'attempt_id', p_attempt, 'reserved_nano', p_held, 'leased_nano', 0, 'held_apart_nano', p_held, 'is_stream', false)
$$;
