-- Resolves the rest of an attempt whose seen part was settled as an estimate, by a person's word, which the caller
-- records: gives back what is still held, and books p_revision, the difference between the word and what stands. Returns
-- whether there was such an attempt. A sum above the reservation leaves an overrun.
-- Locks: revisions, then accounts ascending by id, attempts.
CREATE FUNCTION metering_resolve_rest(p_attempt uuid, p_reason text, p_revision json) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_attempt metering_attempt;
BEGIN
    PERFORM metering_lock_revisions();
    SELECT * INTO v_attempt FROM metering_attempt WHERE id = p_attempt;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM 1 FROM budgets_account WHERE id = ANY (v_attempt.account_ids) ORDER BY id FOR NO KEY UPDATE;
    DELETE FROM metering_attempt WHERE id = p_attempt;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE budgets_account SET held_nano = held_nano - v_attempt.held_nano WHERE id = ANY (v_attempt.account_ids);
    PERFORM metering_revise('true_up', p_reason, json_build_array(p_revision));
    INSERT INTO metering_overrun (attempt_id, reserved_nano, charge_nano)
    SELECT attempt_id, sum(reserved_nano), sum(charge_nano)
      FROM ledger_usagerecord WHERE attempt_id = p_attempt AND admitted_at = v_attempt.admitted_at
     GROUP BY attempt_id HAVING sum(charge_nano) > sum(reserved_nano)
    ON CONFLICT DO NOTHING;
    RETURN true;
END $$;
