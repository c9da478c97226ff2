-- Books a batch of outcomes in the name of an epoch. Returns how many were booked; -1 when the epoch is not alive.
-- Sent again with the same sequence it does nothing. Locks: worker, then as metering_book.
CREATE FUNCTION metering_flush(p_epoch bigint, p_sequence bigint, p_outcomes json) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_last bigint;
BEGIN
    SELECT last_sequence INTO v_last FROM metering_worker
     WHERE epoch = p_epoch AND state = 'alive' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN -1;
    END IF;
    IF p_sequence <= v_last THEN
        RETURN 0;
    END IF;
    UPDATE metering_worker SET last_sequence = p_sequence, last_seen_at = clock_timestamp() WHERE epoch = p_epoch;
    RETURN metering_book(p_epoch, p_sequence, p_outcomes);
END $$;

-- Books one attempt in suspense by a person's word, which the caller records. Returns whether there was one.
CREATE FUNCTION metering_resolve(p_outcome json) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_epoch bigint;
BEGIN
    SELECT epoch INTO v_epoch FROM metering_attempt
     WHERE id = (p_outcome->>'attempt_id')::uuid AND state = 'suspense';
    RETURN FOUND AND metering_book(v_epoch, NULL, json_build_array(p_outcome)) = 1;
END $$;

-- Books outcomes: usage records, balanced postings, settled and held money.
--
-- Each outcome counts once: it is booked by deleting its attempt, so a replay, or the same outcome sent again under a
-- later epoch, finds nothing to do. Returns how many were booked.
-- Locks: accounts ascending by id, attempts, keys ascending by id.
CREATE FUNCTION metering_book(p_epoch bigint, p_sequence bigint, p_outcomes json) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_ids    uuid[];
    v_booked integer;
BEGIN
    SELECT array_agg((outcome->>'attempt_id')::uuid) INTO v_ids FROM json_array_elements(p_outcomes) AS outcome;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM 1 FROM budgets_account
      WHERE id IN (SELECT unnest(account_ids) FROM metering_attempt WHERE id = ANY (v_ids))
      ORDER BY id FOR NO KEY UPDATE;
    PERFORM metering_open_ledger_accounts(v_ids);

    WITH outcome AS MATERIALIZED (
        SELECT * FROM json_to_recordset(p_outcomes) AS o (
            attempt_id uuid, ending text, reason text, http_status smallint, served_model text, service_tier text,
            is_estimated boolean, input_tokens bigint, output_tokens bigint, classes text[], quantities bigint[],
            price_ids bigint[], costs_nano numeric[], cost_nano numeric, charge_nano bigint, vendor_cost_nano numeric,
            rating_rule smallint, raw_usage jsonb, first_byte_milliseconds integer, total_milliseconds integer)
    ), unknown AS (
        UPDATE metering_attempt a SET state = 'suspense', suspense_reason = o.reason
          FROM outcome o WHERE a.id = o.attempt_id AND o.ending = 'suspense'
    ), ended AS (
        DELETE FROM metering_attempt a USING outcome o
         WHERE a.id = o.attempt_id AND o.ending IN ('settled', 'released')
        RETURNING a.request_id, a.admitted_at, a.held_nano, a.account_ids, a.organisation_id, a.unit_id,
                  a.cost_centre_id, a.team_id, a.key_id, a.user_id, a.model_id, a.deployment_id, a.connection_id,
                  a.alias, a.wire, a.is_stream, a.tags, o.*
    ), settled AS MATERIALIZED (
        SELECT ended.*, date_trunc('month', ended.admitted_at AT TIME ZONE g.zone)::date AS local_month
          FROM ended JOIN teams_organisation g ON g.id = ended.organisation_id
         WHERE ended.ending = 'settled'
    ), pair AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('ledger_entry', 'id')) AS entry_id, organisation_id, cost_centre_id,
               connection_id, local_month, ledger_open_month(organisation_id, local_month) AS month,
               sum(charge_nano)::bigint AS charged, ceil(sum(cost_nano))::bigint AS owed
          FROM settled GROUP BY organisation_id, cost_centre_id, connection_id, local_month
    ), entry AS (
        INSERT INTO ledger_entry (id, organisation_id, kind, month, reason, epoch, flush_sequence)
        SELECT entry_id, organisation_id, 'usage', month, '', p_epoch, p_sequence FROM pair
    ), posting AS (
        INSERT INTO ledger_posting (entry_id, account_id, amount_nano)
        SELECT pair.entry_id, account.id, line.amount
          FROM pair
          CROSS JOIN LATERAL (VALUES
              ('cost_centre_expense', pair.cost_centre_id, NULL::bigint, pair.charged),
              ('provider_payable', NULL::bigint, pair.connection_id, -pair.owed),
              ('rounding', NULL::bigint, NULL::bigint, pair.owed - pair.charged)
          ) AS line (kind, cost_centre_id, connection_id, amount)
          JOIN ledger_ledgeraccount account
            ON account.organisation_id = pair.organisation_id AND account.kind = line.kind
           AND account.cost_centre_id IS NOT DISTINCT FROM line.cost_centre_id
           AND account.connection_id IS NOT DISTINCT FROM line.connection_id
         WHERE line.amount <> 0
    ), record AS (
        INSERT INTO ledger_usagerecord (
            attempt_id, revision, admitted_at, settled_at, request_id, entry_id, epoch, organisation_id, unit_id,
            cost_centre_id, team_id, key_id, user_id, model_id, deployment_id, connection_id, alias, wire,
            served_model, service_tier, is_stream, is_estimated, outcome, http_status, input_tokens, output_tokens,
            classes, quantities, price_ids, costs_nano, cost_nano, charge_nano, reserved_nano, vendor_cost_nano,
            rating_rule, account_ids, tags, raw_usage, first_byte_milliseconds, total_milliseconds)
        SELECT s.attempt_id, 1, s.admitted_at, clock_timestamp(), s.request_id, pair.entry_id, p_epoch,
               s.organisation_id, s.unit_id, s.cost_centre_id, s.team_id, s.key_id, s.user_id, s.model_id,
               s.deployment_id, s.connection_id, s.alias, s.wire, s.served_model, s.service_tier, s.is_stream,
               s.is_estimated, s.reason, s.http_status, s.input_tokens, s.output_tokens, s.classes, s.quantities,
               s.price_ids, s.costs_nano, s.cost_nano, s.charge_nano, s.held_nano, s.vendor_cost_nano, s.rating_rule,
               s.account_ids, s.tags, s.raw_usage, s.first_byte_milliseconds, s.total_milliseconds
          FROM settled s
          JOIN pair USING (organisation_id, cost_centre_id, connection_id, local_month)
    ), moved AS (
        UPDATE budgets_account a
           SET settled_nano = a.settled_nano + change.charged, held_nano = a.held_nano - change.held
          FROM (SELECT account_id, sum(held_nano)::bigint AS held,
                       sum(CASE WHEN ending = 'settled' THEN charge_nano ELSE 0 END)::bigint AS charged
                  FROM ended CROSS JOIN LATERAL unnest(account_ids) AS account_id
                 GROUP BY account_id) AS change
         WHERE a.id = change.account_id
    ), overrun AS (
        INSERT INTO metering_overrun (attempt_id, reserved_nano, charge_nano)
        SELECT attempt_id, held_nano, charge_nano FROM settled WHERE charge_nano > held_nano
    ), used AS (
        INSERT INTO keys_keyuse (key_id, last_used_at)
        SELECT key_id, max(admitted_at) FROM settled GROUP BY key_id ORDER BY key_id
        ON CONFLICT (key_id) DO UPDATE SET last_used_at = greatest(keys_keyuse.last_used_at, excluded.last_used_at)
    )
    SELECT count(*) INTO v_booked FROM ended;
    RETURN v_booked;
END $$;

-- Makes the ledger accounts that the outcomes of these attempts will be posted to.
CREATE FUNCTION metering_open_ledger_accounts(p_ids uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO ledger_ledgeraccount (organisation_id, kind, cost_centre_id, connection_id)
    SELECT DISTINCT wanted.* FROM (
        SELECT organisation_id, 'cost_centre_expense', cost_centre_id, NULL::bigint
          FROM metering_attempt WHERE id = ANY (p_ids)
        UNION SELECT organisation_id, 'provider_payable', NULL::bigint, connection_id
          FROM metering_attempt WHERE id = ANY (p_ids)
        UNION SELECT organisation_id, 'rounding', NULL::bigint, NULL::bigint
          FROM metering_attempt WHERE id = ANY (p_ids)
    ) AS wanted (organisation_id, kind, cost_centre_id, connection_id)
    WHERE NOT EXISTS (
        SELECT 1 FROM ledger_ledgeraccount a
         WHERE a.organisation_id = wanted.organisation_id AND a.kind = wanted.kind
           AND a.cost_centre_id IS NOT DISTINCT FROM wanted.cost_centre_id
           AND a.connection_id IS NOT DISTINCT FROM wanted.connection_id)
    ON CONFLICT DO NOTHING
$$;
