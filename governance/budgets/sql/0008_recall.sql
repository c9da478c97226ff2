-- Tells the processes that have leases on an account that its limit has gone down: what lies idle goes back, and nothing is
-- lent again before the database has granted it, so that the lower limit takes hold as soon as money in flight allows.
-- Heard when the transaction commits.
CREATE FUNCTION budgets_recall() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('bursar_recall', NEW.id || ' over');
    RETURN NULL;
END $$;

CREATE TRIGGER a_lowered_limit_is_recalled AFTER UPDATE OF limit_nano ON budgets_account
    FOR EACH ROW WHEN (NEW.limit_nano < OLD.limit_nano AND NEW.held_nano > 0)
    EXECUTE FUNCTION budgets_recall();

-- The same for every open account of a budget whose increase is withdrawn.
CREATE FUNCTION budgets_recall_increase() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('bursar_recall', a.id || ' over') FROM budgets_account a
      WHERE a.budget_id = NEW.budget_id AND a.ends_at > clock_timestamp() AND a.held_nano > 0
        AND (NEW.user_id IS NULL OR NEW.user_id = a.user_id) AND (NEW.key_id IS NULL OR NEW.key_id = a.key_id);
    RETURN NULL;
END $$;

CREATE TRIGGER a_withdrawn_increase_is_recalled AFTER UPDATE OF withdrawn_at ON budgets_increase
    FOR EACH ROW WHEN (OLD.withdrawn_at IS NULL AND NEW.withdrawn_at IS NOT NULL)
    EXECUTE FUNCTION budgets_recall_increase();

-- An increase that ends by itself changes no row: gateway processes ask for those that ended in the last seconds, as often as
-- they look for silent epochs. Returns how many accounts were recalled.
CREATE FUNCTION budgets_recall_ended(p_seconds double precision) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(pg_notify('bursar_recall', a.id || ' over'))::integer
      FROM budgets_increase i JOIN budgets_account a ON a.budget_id = i.budget_id
     WHERE i.ends_at <= clock_timestamp() AND i.ends_at > clock_timestamp() - make_interval(secs => p_seconds)
       AND i.withdrawn_at IS NULL AND a.ends_at > clock_timestamp() AND a.held_nano > 0
       AND (i.user_id IS NULL OR i.user_id = a.user_id) AND (i.key_id IS NULL OR i.key_id = a.key_id)
$$;
