-- Returns the account of this budget, or of one member of it, for the period [p_starts_at, p_ends_at), opening it with
-- the budget's present limit when it is not there. NULL when the database's clock is not in that period: the caller
-- computes it anew. Locks: budget, then the account that money is carried over from.
CREATE OR REPLACE FUNCTION budgets_open_account(
    p_budget_id bigint, p_starts_at timestamptz, p_ends_at timestamptz,
    p_user_id bigint DEFAULT NULL, p_key_id bigint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_budget budgets_budget;
    v_id     bigint;
    v_now    timestamptz := clock_timestamp();
BEGIN
    IF v_now < p_starts_at OR v_now >= p_ends_at THEN
        RETURN NULL;
    END IF;
    SELECT id INTO v_id FROM budgets_account
     WHERE budget_id = p_budget_id AND starts_at = p_starts_at
       AND user_id IS NOT DISTINCT FROM p_user_id AND key_id IS NOT DISTINCT FROM p_key_id;
    IF FOUND THEN
        RETURN v_id;
    END IF;
    -- The lock makes a concurrent change of the limit, or an increase, either visible here or later than this row.
    SELECT * INTO STRICT v_budget FROM budgets_budget WHERE id = p_budget_id FOR SHARE;
    IF (v_budget.sharing = 'per_member') <> (p_user_id IS NOT NULL OR p_key_id IS NOT NULL) THEN
        RAISE EXCEPTION 'Budget % is %: open its account accordingly.', p_budget_id, v_budget.sharing;
    END IF;
    IF v_budget.carries_over THEN
        -- A grant that looked at the clock just before the period ended may not be committed yet: wait for it.
        PERFORM 1 FROM budgets_account
          WHERE budget_id = p_budget_id AND starts_at < p_starts_at
            AND user_id IS NOT DISTINCT FROM p_user_id AND key_id IS NOT DISTINCT FROM p_key_id
          ORDER BY starts_at DESC LIMIT 1 FOR SHARE;
    END IF;
    INSERT INTO budgets_account (
        budget_id, user_id, key_id, starts_at, ends_at, limit_nano, carried_nano, increased_until)
    SELECT p_budget_id, p_user_id, p_key_id, p_starts_at, p_ends_at, v_budget.limit_nano,
           budgets_carried_over(v_budget, p_user_id, p_key_id, p_starts_at), max(i.ends_at)
      FROM budgets_increase i WHERE i.budget_id = p_budget_id AND i.ends_at > v_now AND i.withdrawn_at IS NULL
    -- Without naming an index: of two that open it at one moment, the later may meet the exclusion constraint first.
    ON CONFLICT DO NOTHING;
    SELECT id INTO v_id FROM budgets_account
     WHERE budget_id = p_budget_id AND starts_at = p_starts_at
       AND user_id IS NOT DISTINCT FROM p_user_id AND key_id IS NOT DISTINCT FROM p_key_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'Budget % has another period in force within % to %: its window cannot have changed.',
            p_budget_id, p_starts_at, p_ends_at;
    END IF;
    RETURN v_id;
END $$;
