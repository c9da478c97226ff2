-- A revision above 1 carries the difference to what stood before, so that sums over all revisions are right everywhere.
-- There is one ceiling per attempt: the charges of its revisions add up to the ceiling of their exact costs. A single
-- difference therefore rounds up or down.
ALTER TABLE ledger_usagerecord
    DROP CONSTRAINT a_charge_is_the_ceiling_of_its_cost,
    ADD CONSTRAINT a_charge_is_the_ceiling_of_its_cost CHECK (
        charge_nano = ceil(cost_nano) OR (revision > 1 AND charge_nano = floor(cost_nano))),
    ADD CONSTRAINT revisions_count_from_one CHECK (revision >= 1);

CREATE INDEX usage_record_revisions ON ledger_usagerecord (attempt_id) WHERE revision > 1;

-- A revision follows the ones before it: the next number, the same attempt for the same payers, and in all a charge
-- that is the ceiling of the exact cost and not negative.
CREATE FUNCTION ledger_check_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_all record;
BEGIN
    SELECT count(*) AS revisions, max(revision) AS latest, sum(charge_nano) AS charged, ceil(sum(cost_nano)) AS ceiling,
           bool_and((organisation_id, unit_id, cost_centre_id, team_id, key_id, user_id, model_id, deployment_id,
                     connection_id, account_ids)
                    IS NOT DISTINCT FROM
                    (NEW.organisation_id, NEW.unit_id, NEW.cost_centre_id, NEW.team_id, NEW.key_id, NEW.user_id,
                     NEW.model_id, NEW.deployment_id, NEW.connection_id, NEW.account_ids)) AS is_the_same
      INTO v_all FROM ledger_usagerecord WHERE attempt_id = NEW.attempt_id AND admitted_at = NEW.admitted_at;
    IF v_all.revisions <> v_all.latest THEN
        RAISE EXCEPTION 'Revision % of attempt % does not follow the one before it.', NEW.revision, NEW.attempt_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NOT v_all.is_the_same THEN
        RAISE EXCEPTION 'Revision % of attempt % names other payers than the attempt.', NEW.revision, NEW.attempt_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF v_all.charged <> v_all.ceiling OR v_all.charged < 0 THEN
        RAISE EXCEPTION 'The revisions of attempt % charge % nano-USD and cost %, rounded up.',
            NEW.attempt_id, v_all.charged, v_all.ceiling USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER a_revision_follows AFTER INSERT ON ledger_usagerecord
    FOR EACH ROW WHEN (NEW.revision > 1) EXECUTE FUNCTION ledger_check_revision();
