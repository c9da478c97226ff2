-- What the increases in force add to the limit of one member (both NULL: of the whole budget) at an instant.
CREATE FUNCTION budgets_increased_by(p_budget_id bigint, p_user_id bigint, p_key_id bigint, p_at timestamptz)
RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(i.amount_nano), 0) FROM budgets_increase i
     WHERE i.budget_id = p_budget_id AND i.starts_at <= p_at AND i.ends_at > p_at AND i.withdrawn_at IS NULL
       AND (i.user_id IS NULL OR i.user_id = p_user_id) AND (i.key_id IS NULL OR i.key_id = p_key_id)
$$;

-- The limit of an account at an instant, in nano-USD: what a grant may fill, together with what is settled and held. The
-- table of increases is looked at only while one of them can be in force.
CREATE OR REPLACE FUNCTION budgets_limit_at(p_account budgets_account, p_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT least(
        p_account.limit_nano::numeric + p_account.carried_nano + CASE WHEN p_account.increased_until > p_at
            THEN budgets_increased_by(p_account.budget_id, p_account.user_id, p_account.key_id, p_at) ELSE 0 END,
        9223372036854775807)::bigint
$$;

-- What a period that begins at this instant takes over from the last one before it that was used: its limit and what it
-- had itself taken over, less what is settled and held, never a debt, at most the budget's cap. Increases end and are
-- not carried over. Money held at this moment counts as spent: what comes back of it later is not carried over, because
-- the new limit is fixed once and a grant may have filled it.
CREATE FUNCTION budgets_carried_over(p_budget budgets_budget, p_user_id bigint, p_key_id bigint, p_starts_at timestamptz)
RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT least(
            greatest(a.limit_nano::numeric + a.carried_nano - a.settled_nano - a.held_nano, 0),
            coalesce(p_budget.carry_cap_nano, 9223372036854775807))::bigint
          FROM budgets_account a
         WHERE p_budget.carries_over AND a.budget_id = p_budget.id AND a.starts_at < p_starts_at
           AND a.user_id IS NOT DISTINCT FROM p_user_id AND a.key_id IS NOT DISTINCT FROM p_key_id
         ORDER BY a.starts_at DESC LIMIT 1), 0)
$$;

-- The limit that an account of the whole budget would have if it were opened now: for readers, who never open one.
CREATE FUNCTION budgets_limit_unopened(p_budget budgets_budget, p_starts_at timestamptz, p_at timestamptz)
RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT least(
        p_budget.limit_nano::numeric + budgets_carried_over(p_budget, NULL, NULL, p_starts_at)
        + budgets_increased_by(p_budget.id, NULL, NULL, p_at),
        9223372036854775807)::bigint
$$;

-- Returns the account of this budget, or of one member of it, for the period [p_starts_at, p_ends_at), opening it with
-- the budget's present limit when it is not there. NULL when the database's clock is not in that period: the caller
-- computes it anew. Locks: budget, then the account that money is carried over from.
DROP FUNCTION budgets_open_account(bigint, timestamptz, timestamptz);
CREATE FUNCTION budgets_open_account(
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
    ON CONFLICT (budget_id, starts_at, user_id, key_id) DO NOTHING;
    SELECT id INTO STRICT v_id FROM budgets_account
     WHERE budget_id = p_budget_id AND starts_at = p_starts_at
       AND user_id IS NOT DISTINCT FROM p_user_id AND key_id IS NOT DISTINCT FROM p_key_id;
    RETURN v_id;
END $$;
