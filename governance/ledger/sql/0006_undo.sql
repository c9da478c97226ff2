DROP FUNCTION ledger_reopen_month(bigint, date);
DROP FUNCTION ledger_shut_month(bigint, date);
CREATE OR REPLACE FUNCTION ledger_open_month(p_organisation bigint, p_month date) RETURNS date
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_month date := p_month;
BEGIN
    WHILE EXISTS (SELECT 1 FROM ledger_accountingperiod
                   WHERE organisation_id = p_organisation AND month = v_month) LOOP
        v_month := (v_month + interval '1 month')::date;
    END LOOP;
    RETURN v_month;
END $$;
DROP FUNCTION ledger_month_key(bigint, date);
