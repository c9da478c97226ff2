-- Reserves money for one attempt on every account of its path, all or none, and inserts the attempt: one round trip.
--
-- outcome: granted   granted_nano is held on every account (between p_least and p_want)
--          exceeded  a hard account can never pay p_least in this period, whatever comes back
--          held      it could, if money in flight came back
--          stale     an account's period does not hold the database's clock: compute the periods anew from admitted_at
--          fenced    the epoch is not alive: nothing may be done in its name
-- On exceeded and held the account that lacks most is described. Locks: worker, then accounts ascending by id.
CREATE FUNCTION metering_reserve(
    p_epoch bigint, p_account_ids bigint[], p_want bigint, p_least bigint, p_attempt json
) RETURNS TABLE (
    outcome text, granted_nano bigint, admitted_at timestamptz,
    budget_id bigint, limit_nano bigint, settled_nano bigint, held_nano bigint, resets_at timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_account   record;
    v_tightest  record;
    v_remaining bigint;
    v_granted   bigint := p_want;
    v_now       timestamptz;
    v_found     integer := 0;
    v_spent     boolean := false;
BEGIN
    IF p_least < 0 OR p_want < p_least THEN
        RAISE EXCEPTION 'A reservation of % to % nano-USD makes no sense.', p_least, p_want;
    END IF;
    PERFORM 1 FROM metering_worker w WHERE w.epoch = p_epoch AND w.state = 'alive' FOR KEY SHARE;
    IF NOT FOUND THEN
        outcome := 'fenced';
        RETURN NEXT;
        RETURN;
    END IF;
    FOR v_account IN
        SELECT a.*, b.enforcement FROM budgets_account a JOIN budgets_budget b ON b.id = a.budget_id
         WHERE a.id = ANY (p_account_ids) ORDER BY a.id FOR NO KEY UPDATE OF a
    LOOP
        v_found := v_found + 1;
        v_now := clock_timestamp();
        IF v_now < v_account.starts_at OR v_now >= v_account.ends_at THEN
            outcome := 'stale';
            admitted_at := v_now;
            RETURN NEXT;
            RETURN;
        END IF;
        CONTINUE WHEN v_account.enforcement <> 'hard';
        v_remaining := v_account.limit_nano - v_account.settled_nano - v_account.held_nano;
        v_spent := v_spent OR v_account.limit_nano - v_account.settled_nano < p_least;
        IF v_remaining < v_granted THEN
            v_granted := v_remaining;
            v_tightest := v_account;
        END IF;
    END LOOP;
    IF v_found <> cardinality(p_account_ids) THEN
        RAISE EXCEPTION 'Of % accounts only % exist.', cardinality(p_account_ids), v_found;
    END IF;
    -- One clock for period and record: the instant at which the last account was locked.
    v_now := coalesce(v_now, clock_timestamp());
    admitted_at := v_now;
    IF v_granted < p_least THEN
        outcome := CASE WHEN v_spent THEN 'exceeded' ELSE 'held' END;
        granted_nano := 0;
        budget_id := v_tightest.budget_id;
        limit_nano := v_tightest.limit_nano;
        settled_nano := v_tightest.settled_nano;
        held_nano := v_tightest.held_nano;
        resets_at := v_tightest.ends_at;
        RETURN NEXT;
        RETURN;
    END IF;
    UPDATE budgets_account a SET held_nano = a.held_nano + v_granted WHERE a.id = ANY (p_account_ids);
    INSERT INTO metering_attempt (
        id, request_id, epoch, admitted_at, held_nano, account_ids, organisation_id, unit_id, cost_centre_id, team_id,
        key_id, user_id, model_id, deployment_id, connection_id, alias, wire, is_stream, tags)
    SELECT t.id, t.request_id, p_epoch, v_now, v_granted, p_account_ids, t.organisation_id, t.unit_id,
           t.cost_centre_id, t.team_id, t.key_id, t.user_id, t.model_id, t.deployment_id, t.connection_id, t.alias,
           t.wire, t.is_stream, t.tags
      FROM json_populate_record(NULL::metering_attempt, p_attempt) AS t;
    outcome := 'granted';
    granted_nano := v_granted;
    RETURN NEXT;
END $$;
