-- Books outcomes: usage records, balanced postings, settled money, and what leaves a lease. Whoever calls has made sure
-- that none of them was booked before. Returns how many records were written. Amounts are nano-USD.
--
-- leased_nano is what stands for the attempt in the lease of p_epoch on each of its accounts; held_apart_nano what is
-- held outside any lease (it was in suspense). Of the lease, a settled attempt uses up what it was charged; the rest
-- stays in the lease. An attempt of unknown outcome takes its whole reservation out of the lease into suspense, where
-- it stays held. A charge above the reservation leaves an overrun: settled money may pass the limit, as a fact.
-- The caller has locked the accounts. Locks: leases, attempts, keys ascending by id.
CREATE OR REPLACE FUNCTION metering_book(p_epoch bigint, p_sequence bigint, p_outcomes json) RETURNS integer
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
    ), posted AS MATERIALIZED (
        SELECT ledger_post(array_agg(ROW(entry_id, organisation_id, cost_centre_id, connection_id, month, NULL, charged,
                                         owed)::ledger_group), 'usage', '', p_epoch, p_sequence)
          FROM pair
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
    SELECT (SELECT count(*) FROM settled) INTO v_booked FROM posted;
    RETURN v_booked;
END $$;

-- Books revisions of usage records: what each changes, balanced postings, and the settled money of every account that
-- the attempt was charged to. Returns how many.
--
-- p_kind: rerate | true_up. Each revision names its number, so that a change made meanwhile fails the whole batch instead
-- of being counted twice; who computes revisions from what stands takes metering_lock_revisions() before reading.
-- The payable of an entry and its corrections is the ceiling of the exact cost of all of them together, so that prices
-- that go there and back leave no residue.
-- Locks: revisions, then accounts ascending by id.
CREATE OR REPLACE FUNCTION metering_revise(p_kind text, p_reason text, p_revisions json) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_from    timestamptz;
    v_until   timestamptz;
    v_wanted  integer;
    v_revised integer;
BEGIN
    IF p_kind NOT IN ('rerate', 'true_up') THEN
        RAISE EXCEPTION 'Revisions are booked as rerate or true_up, not as %.', p_kind;
    END IF;
    PERFORM metering_lock_revisions();
    -- All records of an entry were admitted in one local month: the bounds keep every look at them to a few partitions.
    SELECT min(r.admitted_at) - interval '32 days', max(r.admitted_at) + interval '32 days', count(*)
      INTO v_from, v_until, v_wanted
      FROM json_to_recordset(p_revisions) AS r (admitted_at timestamptz);
    PERFORM 1 FROM budgets_account
      WHERE id IN (SELECT unnest(r.account_ids)
                     FROM json_to_recordset(p_revisions) AS change (attempt_id uuid, admitted_at timestamptz)
                     JOIN ledger_usagerecord r
                       ON r.attempt_id = change.attempt_id AND r.admitted_at = change.admitted_at AND r.revision = 1
                    WHERE r.admitted_at BETWEEN v_from AND v_until)
      ORDER BY id FOR NO KEY UPDATE;
    INSERT INTO ledger_ledgeraccount (organisation_id, kind)
    SELECT DISTINCT r.organisation_id, 'rounding'
      FROM json_to_recordset(p_revisions) AS change (attempt_id uuid, admitted_at timestamptz)
      JOIN ledger_usagerecord r
        ON r.attempt_id = change.attempt_id AND r.admitted_at = change.admitted_at AND r.revision = 1
     WHERE r.admitted_at BETWEEN v_from AND v_until
       AND NOT EXISTS (SELECT FROM ledger_ledgeraccount a
                        WHERE a.organisation_id = r.organisation_id AND a.kind = 'rounding')
    ON CONFLICT DO NOTHING;

    WITH revised AS MATERIALIZED (
        SELECT r.attempt_id, change.revision, r.admitted_at, r.request_id, r.entry_id AS corrects_id, r.epoch,
               r.organisation_id, r.unit_id, r.cost_centre_id, r.team_id, r.key_id, r.user_id, r.model_id,
               r.deployment_id, r.connection_id, r.alias, r.wire, r.served_model, r.service_tier, r.is_stream,
               change.is_estimated, change.outcome, r.http_status, change.classes, change.quantities, change.price_ids,
               change.costs_nano, change.cost_nano, change.charge_nano, change.rating_rule, r.account_ids, r.tags,
               date_trunc('month', r.admitted_at AT TIME ZONE g.zone)::date AS local_month
          FROM json_to_recordset(p_revisions) AS change (
                   attempt_id uuid, revision smallint, admitted_at timestamptz, outcome text, is_estimated boolean,
                   classes text[], quantities bigint[], price_ids bigint[], costs_nano numeric[], cost_nano numeric,
                   charge_nano bigint, rating_rule smallint)
          JOIN ledger_usagerecord r
            ON r.attempt_id = change.attempt_id AND r.admitted_at = change.admitted_at AND r.revision = 1
          JOIN teams_organisation g ON g.id = r.organisation_id
         WHERE r.admitted_at BETWEEN v_from AND v_until
    ), corrected AS (
        SELECT DISTINCT corrects_id FROM revised
    ), stood AS MATERIALIZED (
        SELECT entries.corrects_id, sum(booked.cost_nano) AS cost
          FROM (SELECT corrects_id, corrects_id AS id FROM corrected
                UNION ALL
                SELECT e.corrects_id, e.id FROM ledger_entry e JOIN corrected USING (corrects_id)) AS entries
         CROSS JOIN LATERAL (
               SELECT r.cost_nano FROM ledger_usagerecord r
                WHERE r.entry_id = entries.id AND r.admitted_at BETWEEN v_from AND v_until
               UNION ALL  -- of days that are detached
               SELECT s.cost_nano FROM ledger_dayentrysum s JOIN ledger_detached_now d ON d.id = s.detachment_id
                WHERE s.entry_id = entries.id) AS booked
         GROUP BY entries.corrects_id
    ), pair AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('ledger_entry', 'id')) AS entry_id, corrects_id, organisation_id,
               cost_centre_id, connection_id, ledger_open_month(organisation_id, local_month) AS month,
               sum(charge_nano)::bigint AS charged,
               (ceil(stood.cost + sum(cost_nano)) - ceil(stood.cost))::bigint AS owed
          FROM revised JOIN stood USING (corrects_id)
         GROUP BY corrects_id, organisation_id, cost_centre_id, connection_id, local_month, stood.cost
    ), posted AS MATERIALIZED (
        SELECT ledger_post(array_agg(ROW(entry_id, organisation_id, cost_centre_id, connection_id, month, corrects_id,
                                         charged, owed)::ledger_group), p_kind, p_reason, NULL, NULL)
          FROM pair
    ), record AS (
        INSERT INTO ledger_usagerecord (
            attempt_id, revision, admitted_at, settled_at, request_id, entry_id, epoch, organisation_id, unit_id,
            cost_centre_id, team_id, key_id, user_id, model_id, deployment_id, connection_id, alias, wire,
            served_model, service_tier, is_stream, is_estimated, outcome, http_status, input_tokens, output_tokens,
            classes, quantities, price_ids, costs_nano, cost_nano, charge_nano, reserved_nano, vendor_cost_nano,
            rating_rule, account_ids, tags, raw_usage, first_byte_milliseconds, total_milliseconds)
        SELECT r.attempt_id, r.revision, r.admitted_at, clock_timestamp(), r.request_id, pair.entry_id, r.epoch,
               r.organisation_id, r.unit_id, r.cost_centre_id, r.team_id, r.key_id, r.user_id, r.model_id,
               r.deployment_id, r.connection_id, r.alias, r.wire, r.served_model, r.service_tier, r.is_stream,
               r.is_estimated, r.outcome, r.http_status, 0, 0, r.classes, r.quantities, r.price_ids, r.costs_nano,
               r.cost_nano, r.charge_nano, 0, NULL, r.rating_rule, r.account_ids, r.tags, NULL, NULL, 0
          FROM revised r JOIN pair USING (corrects_id)
    ), moved AS (
        UPDATE budgets_account a SET settled_nano = a.settled_nano + change.charged
          FROM (SELECT account_id, sum(charge_nano)::bigint AS charged
                  FROM revised CROSS JOIN LATERAL unnest(account_ids) AS account_id
                 GROUP BY account_id) AS change
         WHERE a.id = change.account_id AND change.charged <> 0
    )
    SELECT (SELECT count(*) FROM revised) INTO v_revised FROM posted;
    IF v_revised <> v_wanted THEN
        RAISE EXCEPTION 'Of % attempts to be revised only % are on the books.', v_wanted, v_revised
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN v_revised;
END $$;
