-- Opens an account again under the id that it had, after a fail-over to a standby that never heard of it. Only the gateway
-- processes that hold leases on it know that it existed. Nothing is carried over into it: what its predecessor had left is
-- not known before everybody has said what they hold. Returns nothing; the account is missing where the budget or its member is
-- gone too, or where its period was opened anew under another id meanwhile.
CREATE FUNCTION budgets_reopen_account(
    p_id bigint, p_budget_id bigint, p_user_id bigint, p_key_id bigint, p_starts_at timestamptz, p_ends_at timestamptz
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO budgets_account (id, budget_id, user_id, key_id, starts_at, ends_at, limit_nano, increased_until)
    SELECT p_id, b.id, p_user_id, p_key_id, p_starts_at, p_ends_at, b.limit_nano,
           (SELECT max(i.ends_at) FROM budgets_increase i
             WHERE i.budget_id = b.id AND i.ends_at > clock_timestamp() AND i.withdrawn_at IS NULL)
      FROM budgets_budget b
     WHERE b.id = p_budget_id AND NOT EXISTS (SELECT FROM budgets_account a WHERE a.id = p_id)
       AND (p_user_id IS NULL OR EXISTS (SELECT FROM teams_user u WHERE u.id = p_user_id))
       AND (p_key_id IS NULL OR EXISTS (SELECT FROM keys_virtualkey k WHERE k.id = p_key_id))
    ON CONFLICT DO NOTHING
$$;
