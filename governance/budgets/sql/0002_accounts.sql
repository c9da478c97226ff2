-- Accounts are updated by every reservation: leave room for heap-only updates.
ALTER TABLE budgets_account SET (fillfactor = 50);

-- Returns the account of this budget for the period [p_starts_at, p_ends_at), opening it with the budget's present
-- limit when it is not there. NULL when the database's clock is not in that period: the caller computes it anew.
CREATE FUNCTION budgets_open_account(p_budget_id bigint, p_starts_at timestamptz, p_ends_at timestamptz)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_limit bigint;
    v_id    bigint;
    v_now   timestamptz := clock_timestamp();
BEGIN
    IF v_now < p_starts_at OR v_now >= p_ends_at THEN
        RETURN NULL;
    END IF;
    SELECT id INTO v_id FROM budgets_account WHERE budget_id = p_budget_id AND starts_at = p_starts_at;
    IF FOUND THEN
        RETURN v_id;
    END IF;
    -- The lock makes a concurrent change of the limit either visible here or later than this row.
    SELECT limit_nano INTO STRICT v_limit FROM budgets_budget WHERE id = p_budget_id FOR SHARE;
    INSERT INTO budgets_account (budget_id, starts_at, ends_at, limit_nano)
    VALUES (p_budget_id, p_starts_at, p_ends_at, v_limit)
    ON CONFLICT (budget_id, starts_at) DO NOTHING;
    SELECT id INTO STRICT v_id FROM budgets_account WHERE budget_id = p_budget_id AND starts_at = p_starts_at;
    RETURN v_id;
END $$;
