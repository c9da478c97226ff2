-- The limit of an account at an instant, in nano-USD: what a grant may fill, together with what is settled and held.
CREATE FUNCTION budgets_limit_at(p_account budgets_account, p_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT p_account.limit_nano
$$;
