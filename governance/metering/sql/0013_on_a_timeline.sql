-- The functions of leases and epochs again, as they stand before (0006_grant.sql, 0008_flush.sql), now on a timeline.

-- Two more outcomes of a grant, without a claim: nothing is granted to anybody just now (metering_grants_stop).
--   paused     the database was replaced by its standby, and processes are still saying what they hold
--   unguarded  the gateway relies on a synchronous standby, and there is none
CREATE OR REPLACE FUNCTION metering_grant(
    p_epoch bigint, p_claim integer[], p_account bigint[], p_need bigint[], p_short bigint[], p_slice bigint[],
    p_typical bigint[], p_least bigint[]
) RETURNS TABLE (
    claim integer, account_id bigint, outcome text, granted_nano bigint, is_exact boolean,
    limit_nano bigint, settled_nano bigint, held_nano bigint, resets_at timestamptz, at timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_claim  integer;
    v_line   record;
    v_worst  record;
    v_state  text;
BEGIN
    at := clock_timestamp();
    outcome := metering_grants_stop();
    PERFORM 1 FROM metering_worker w WHERE w.epoch = p_epoch AND w.state = 'alive' FOR KEY SHARE;
    IF NOT FOUND THEN
        outcome := 'fenced';
    END IF;
    IF outcome IS NOT NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM 1 FROM budgets_account a WHERE a.id = ANY (p_account) ORDER BY a.id FOR NO KEY UPDATE;
    at := clock_timestamp();
    FOR v_claim IN SELECT DISTINCT c FROM unnest(p_claim) AS c ORDER BY c LOOP
        v_state := 'granted';
        FOR v_line IN
            SELECT ask.*, a.settled_nano AS settled, a.held_nano AS held, a.ends_at, x.lim AS lim,
                   b.enforcement = 'hard' AS is_hard, x.lim - a.settled_nano - a.held_nano AS remaining,
                   at >= a.starts_at AND at < a.ends_at AS is_current
              FROM unnest(p_claim, p_account, p_need, p_least) AS ask (c, account, need, least)
              JOIN budgets_account a ON a.id = ask.account
              JOIN budgets_budget b ON b.id = a.budget_id
             CROSS JOIN LATERAL budgets_limit_at(a, at) AS x (lim)
             WHERE ask.c = v_claim
             ORDER BY x.lim - a.settled_nano - a.held_nano - ask.need, a.id
        LOOP
            IF NOT v_line.is_current THEN
                v_state := 'stale';
                v_worst := v_line;
                EXIT;
            ELSIF v_line.is_hard AND v_line.need > 0 AND v_line.remaining < v_line.need THEN
                IF v_line.lim - v_line.settled < v_line.least AND v_state <> 'exceeded' THEN
                    v_worst := v_line;
                    v_state := 'exceeded';
                ELSIF v_state = 'granted' THEN
                    v_worst := v_line;
                    v_state := 'held';
                END IF;
            END IF;
        END LOOP;
        claim := v_claim;
        IF v_state <> 'granted' THEN
            account_id := v_worst.account;
            outcome := v_state;
            granted_nano := 0;
            is_exact := false;
            limit_nano := v_worst.lim;
            settled_nano := v_worst.settled;
            held_nano := v_worst.held;
            resets_at := v_worst.ends_at;
            RETURN NEXT;
            IF v_state = 'held' AND EXISTS (
                SELECT FROM metering_lease l
                 WHERE l.account_id = v_worst.account AND l.epoch <> p_epoch AND l.amount_nano > 0
            ) THEN
                PERFORM pg_notify('bursar_recall', v_worst.account::text);
            END IF;
            CONTINUE;
        END IF;
        RETURN QUERY
        WITH line AS (
            SELECT ask.*, x.lim, a.settled_nano AS settled, a.held_nano AS held, a.ends_at,
                   b.enforcement = 'hard' AS is_hard, x.lim - a.settled_nano - a.held_nano AS remaining,
                   (SELECT 1 + count(*) FROM metering_lease l
                     WHERE l.account_id = a.id AND l.epoch <> p_epoch
                       AND l.used_at > at - interval '10 seconds') AS users
              FROM unnest(p_claim, p_account, p_need, p_short, p_slice, p_typical)
                   AS ask (c, account, need, short, slice, typical)
              JOIN budgets_account a ON a.id = ask.account
              JOIN budgets_budget b ON b.id = a.budget_id
             CROSS JOIN LATERAL budgets_limit_at(a, at) AS x (lim)
             WHERE ask.c = v_claim
        ), sized AS (
            SELECT share.*, is_hard AND fair < 4 * typical AS exact,
                   CASE WHEN NOT is_hard THEN greatest(short, slice)
                        WHEN fair < 4 * typical THEN greatest(need, least(short, remaining))
                        ELSE greatest(need, least(short, remaining), least(fair, lim / 200, slice))
                   END AS granted
              FROM (SELECT line.*, greatest(0, remaining) / (2 * users) AS fair FROM line) AS share
        ), account AS (
            UPDATE budgets_account a SET held_nano = a.held_nano + sized.granted FROM sized WHERE a.id = sized.account
        ), lease AS (
            INSERT INTO metering_lease (epoch, account_id, amount_nano, used_at)
            SELECT p_epoch, sized.account, sized.granted, at FROM sized
            ON CONFLICT ON CONSTRAINT an_epoch_has_one_lease_per_account
            DO UPDATE SET amount_nano = metering_lease.amount_nano + excluded.amount_nano, used_at = excluded.used_at
        )
        SELECT v_claim, sized.account, 'granted', sized.granted::bigint, sized.exact, sized.lim, sized.settled,
               sized.held, sized.ends_at, at
          FROM sized;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION metering_flush(
    p_epoch bigint, p_sequence bigint, p_accounts bigint[], p_outcomes json, p_back_account bigint[],
    p_back_nano bigint[], p_late json
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_last bigint;
BEGIN
    PERFORM metering_take_timeline();
    SELECT last_sequence INTO v_last FROM metering_worker
     WHERE epoch = p_epoch AND state = 'alive' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF p_sequence > v_last THEN
        UPDATE metering_worker SET last_sequence = p_sequence, last_seen_at = clock_timestamp() WHERE epoch = p_epoch;
        PERFORM 1 FROM budgets_account WHERE id = ANY (p_accounts) ORDER BY id FOR NO KEY UPDATE;
        IF json_array_length(p_outcomes) > 0 THEN
            PERFORM metering_book(p_epoch, p_sequence, p_outcomes);
        END IF;
        PERFORM metering_book_late(p_epoch, p_sequence, late) FROM json_array_elements(p_late) AS late;
        PERFORM metering_give_back(p_epoch, p_back_account, p_back_nano);
    END IF;
    RETURN clock_timestamp();
END $$;

-- Leases are given back first and every outcome is booked as a fact: the journal may know of leases that the books lost.
CREATE OR REPLACE FUNCTION metering_recover(p_epoch bigint, p_outcomes json) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_new     json;
    v_unknown integer;
BEGIN
    PERFORM 1 FROM metering_worker WHERE epoch = p_epoch AND state IN ('alive', 'fenced', 'lost') FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE metering_worker SET state = 'dead' WHERE epoch = p_epoch;
    PERFORM 1 FROM budgets_account
      WHERE id IN (SELECT account_id FROM metering_lease WHERE epoch = p_epoch)
         OR id IN (SELECT account::bigint FROM json_array_elements(p_outcomes) AS o,
                          json_array_elements_text(o->'account_ids') AS account)
      ORDER BY id FOR NO KEY UPDATE;
    SELECT coalesce(json_agg(o::jsonb || '{"leased_nano": 0}'), '[]'), count(*) FILTER (WHERE o->>'ending' = 'suspense') INTO v_new, v_unknown
      FROM json_array_elements(p_outcomes) AS o
     WHERE o->>'ending' IN ('settled', 'suspense')
       AND NOT EXISTS (SELECT FROM ledger_usagerecord r
                        WHERE r.attempt_id = (o->>'attempt_id')::uuid AND r.revision = 1
                          AND r.admitted_at = (o->>'admitted_at')::timestamptz)
       AND NOT EXISTS (SELECT FROM metering_attempt t WHERE t.id = (o->>'attempt_id')::uuid);
    PERFORM metering_give_back(p_epoch, array_agg(account_id), array_agg(amount_nano))
       FROM metering_lease WHERE epoch = p_epoch;
    DELETE FROM metering_lease WHERE epoch = p_epoch;
    IF json_array_length(v_new) > 0 THEN
        PERFORM metering_book(p_epoch, NULL, v_new);
    END IF;
    RETURN v_unknown;
END $$;

-- Fences silent epochs, and has increases that just ended recalled.
CREATE OR REPLACE FUNCTION metering_fence(p_seconds double precision) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_count integer;
BEGIN
    UPDATE metering_worker SET state = 'fenced'
     WHERE epoch IN (SELECT epoch FROM metering_worker
                      WHERE state = 'alive' AND last_seen_at < clock_timestamp() - make_interval(secs => p_seconds)
                        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    PERFORM budgets_recall_ended(p_seconds);
    RETURN v_count;
END $$;
