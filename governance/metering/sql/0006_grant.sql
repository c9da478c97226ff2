-- Grants slices of accounts to an epoch, for any number of claims in one round trip.
--
-- A claim is one reservation in waiting: it asks several accounts and gets something on all of them or on none. The
-- arrays run in parallel, one element per claim and account; claims are numbered and served in that order.
--   p_need     what must at least be granted           p_short    what the claim would like
--   p_slice    the size of lease that is worth having  p_typical  a typical reservation of this process on the account
--   p_least    what the claim must hold in all, leases in hand included: tells spent from in flight
-- The arithmetic is that of governance/metering/slices.py; tests hold the two against each other.
--
-- outcome per line: granted   granted_nano was added to the epoch's lease (is_exact: give back what is left over at once)
--                   exceeded  the claim was refused: this account can never pay it in this period
--                   held      the claim was refused: this account could pay it if money in flight came back
--                   stale     the account's period does not hold the database's clock: open the current one
--                   fenced    the epoch is not alive: nothing may be done in its name
-- A refused claim has one line, that of the account that lacks most. Holders of leases on it are asked to give back.
-- Locks: worker, accounts ascending by id, leases.
CREATE FUNCTION metering_grant(
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
    PERFORM 1 FROM metering_worker w WHERE w.epoch = p_epoch AND w.state = 'alive' FOR KEY SHARE;
    IF NOT FOUND THEN
        outcome := 'fenced';
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
