-- Books revisions of usage records: what each changes, balanced postings, and the settled money of every account that
-- the attempt was charged to. Returns how many.
--
-- p_kind: rerate | true_up. Each revision names its number, so that a change made meanwhile fails the whole batch instead
-- of being counted twice; who computes revisions from what stands takes metering_lock_revisions() before reading.
-- The payable of an entry and its corrections is the ceiling of the exact cost of all of them together, so that prices
-- that go there and back leave no residue.
-- Locks: revisions, then accounts ascending by id.
CREATE FUNCTION metering_revise(p_kind text, p_reason text, p_revisions json) RETURNS integer
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
        SELECT entries.corrects_id, sum(r.cost_nano) AS cost
          FROM (SELECT corrects_id, corrects_id AS id FROM corrected
                UNION ALL
                SELECT e.corrects_id, e.id FROM ledger_entry e JOIN corrected USING (corrects_id)) AS entries
          JOIN ledger_usagerecord r ON r.entry_id = entries.id
         WHERE r.admitted_at BETWEEN v_from AND v_until
         GROUP BY entries.corrects_id
    ), pair AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('ledger_entry', 'id')) AS entry_id, corrects_id, organisation_id,
               cost_centre_id, connection_id, ledger_open_month(organisation_id, local_month) AS month,
               sum(charge_nano)::bigint AS charged,
               (ceil(stood.cost + sum(cost_nano)) - ceil(stood.cost))::bigint AS owed
          FROM revised JOIN stood USING (corrects_id)
         GROUP BY corrects_id, organisation_id, cost_centre_id, connection_id, local_month, stood.cost
    ), entry AS (
        INSERT INTO ledger_entry (id, organisation_id, kind, month, reason, corrects_id)
        SELECT entry_id, organisation_id, p_kind, month, p_reason, corrects_id FROM pair
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
    SELECT count(*) INTO v_revised FROM revised;
    IF v_revised <> v_wanted THEN
        RAISE EXCEPTION 'Of % attempts to be revised only % are on the books.', v_wanted, v_revised
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN v_revised;
END $$;

-- One writer of revisions at a time, until its transaction ends: whoever computes them from what stands takes this first.
CREATE FUNCTION metering_lock_revisions() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('metering_revisions', 0))
$$;
