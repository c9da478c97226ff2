-- Books outcomes: usage records, balanced postings, settled money, and what leaves a lease. Whoever calls has made sure
-- that none of them was booked before. Returns how many records were written. Amounts are nano-USD.
--
-- leased_nano is what stands for the attempt in the lease of p_epoch on each of its accounts; held_apart_nano what is
-- held outside any lease (it was in suspense). Of the lease, a settled attempt uses up what it was charged; the rest
-- stays in the lease. An attempt of unknown outcome takes its whole reservation out of the lease into suspense, where
-- it stays held. A charge above the reservation leaves an overrun: settled money may pass the limit, as a fact.
-- The caller has locked the accounts. Locks: leases, attempts, keys ascending by id.
CREATE FUNCTION metering_book(p_epoch bigint, p_sequence bigint, p_outcomes json) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_booked integer;
BEGIN
    PERFORM metering_open_ledger_accounts(p_outcomes);

    WITH outcome AS MATERIALIZED (
        SELECT * FROM json_to_recordset(p_outcomes) AS o (
            attempt_id uuid, request_id uuid, admitted_at timestamptz, reserved_nano bigint, account_ids bigint[],
            organisation_id bigint, unit_id bigint, cost_centre_id bigint, team_id bigint, key_id bigint,
            user_id bigint, model_id bigint, deployment_id bigint, connection_id bigint, alias text, wire text,
            is_stream boolean, tags jsonb, leased_nano bigint, held_apart_nano bigint,
            ending text, reason text, http_status smallint, served_model text, service_tier text,
            is_estimated boolean, input_tokens bigint, output_tokens bigint, classes text[], quantities bigint[],
            price_ids bigint[], costs_nano numeric[], cost_nano numeric, charge_nano bigint, vendor_cost_nano numeric,
            rating_rule smallint, raw_usage jsonb, first_byte_milliseconds integer, total_milliseconds integer)
    ), unknown AS (
        INSERT INTO metering_attempt (
            id, request_id, epoch, suspense_reason, admitted_at, held_nano, account_ids, organisation_id, unit_id,
            cost_centre_id, team_id, key_id, user_id, model_id, deployment_id, connection_id, alias, wire, is_stream,
            tags)
        SELECT attempt_id, request_id, p_epoch, reason, admitted_at, reserved_nano, account_ids, organisation_id,
               unit_id, cost_centre_id, team_id, key_id, user_id, model_id, deployment_id, connection_id, alias, wire,
               is_stream, tags
          FROM outcome WHERE ending = 'suspense'
    ), settled AS MATERIALIZED (
        SELECT outcome.*, date_trunc('month', outcome.admitted_at AT TIME ZONE g.zone)::date AS local_month
          FROM outcome JOIN teams_organisation g ON g.id = outcome.organisation_id
         WHERE outcome.ending = 'settled'
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
               s.price_ids, s.costs_nano, s.cost_nano, s.charge_nano, s.reserved_nano, s.vendor_cost_nano,
               s.rating_rule, s.account_ids, s.tags, s.raw_usage, s.first_byte_milliseconds, s.total_milliseconds
          FROM settled s
          JOIN pair USING (organisation_id, cost_centre_id, connection_id, local_month)
    ), change AS MATERIALIZED (
        SELECT account_id,
               coalesce(sum(charge_nano) FILTER (WHERE ending = 'settled'), 0)::bigint AS charged,
               sum(held_apart_nano + CASE WHEN ending = 'settled' THEN least(charge_nano, leased_nano) ELSE 0 END
                  )::bigint AS freed,
               -- What is not in the lease any more (its epoch was given up) and goes to suspense is held anew.
               sum(CASE WHEN ending = 'suspense' THEN reserved_nano - leased_nano ELSE 0 END)::bigint AS held_anew,
               sum(CASE WHEN ending = 'settled' THEN least(charge_nano, leased_nano)
                        WHEN ending = 'suspense' THEN leased_nano ELSE 0 END)::bigint AS unleased
          FROM outcome CROSS JOIN LATERAL unnest(account_ids) AS account_id
         GROUP BY account_id
    ), moved AS (
        UPDATE budgets_account a
           SET settled_nano = a.settled_nano + change.charged,
               held_nano = a.held_nano - change.freed + change.held_anew
          FROM change WHERE a.id = change.account_id
    ), lease AS (
        UPDATE metering_lease l
           SET amount_nano = l.amount_nano - change.unleased, used_at = clock_timestamp()
          FROM change WHERE l.epoch = p_epoch AND l.account_id = change.account_id
    ), overrun AS (
        INSERT INTO metering_overrun (attempt_id, reserved_nano, charge_nano)
        SELECT attempt_id, reserved_nano, charge_nano FROM settled WHERE charge_nano > reserved_nano
    ), used AS (
        INSERT INTO keys_keyuse (key_id, last_used_at)
        SELECT key_id, max(admitted_at) FROM settled GROUP BY key_id ORDER BY key_id
        ON CONFLICT (key_id) DO UPDATE SET last_used_at = greatest(keys_keyuse.last_used_at, excluded.last_used_at)
    )
    SELECT count(*) INTO v_booked FROM settled;
    RETURN v_booked;
END $$;

-- Makes the ledger accounts that these outcomes will be posted to.
CREATE FUNCTION metering_open_ledger_accounts(p_outcomes json) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH owner AS (
        SELECT DISTINCT o.organisation_id, o.cost_centre_id, o.connection_id
          FROM json_to_recordset(p_outcomes) AS o (
               organisation_id bigint, cost_centre_id bigint, connection_id bigint, ending text)
         WHERE o.ending = 'settled'
    )
    INSERT INTO ledger_ledgeraccount (organisation_id, kind, cost_centre_id, connection_id)
    SELECT DISTINCT wanted.* FROM (
        SELECT organisation_id, 'cost_centre_expense', cost_centre_id, NULL::bigint FROM owner
        UNION SELECT organisation_id, 'provider_payable', NULL::bigint, connection_id FROM owner
        UNION SELECT organisation_id, 'rounding', NULL::bigint, NULL::bigint FROM owner
    ) AS wanted (organisation_id, kind, cost_centre_id, connection_id)
    WHERE NOT EXISTS (
        SELECT 1 FROM ledger_ledgeraccount a
         WHERE a.organisation_id = wanted.organisation_id AND a.kind = wanted.kind
           AND a.cost_centre_id IS NOT DISTINCT FROM wanted.cost_centre_id
           AND a.connection_id IS NOT DISTINCT FROM wanted.connection_id)
    ON CONFLICT DO NOTHING
$$;
