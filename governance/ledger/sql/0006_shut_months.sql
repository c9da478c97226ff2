-- A month is shut for new facts under a lock that every booking in it shares: after it was had alone, no transaction is
-- left that found the month open and has not committed. What is read of the month then never changes.

CREATE FUNCTION ledger_month_key(p_organisation bigint, p_month date) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended('ledger.month:' || p_organisation || ':' || p_month, 0)
$$;

-- The accounting month a fact of this local month is booked in: itself while open, else the next open one. Volatile, so
-- that it sees what was committed while it waited for the lock.
CREATE OR REPLACE FUNCTION ledger_open_month(p_organisation bigint, p_month date) RETURNS date
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_month date := p_month;
BEGIN
    LOOP
        PERFORM pg_advisory_xact_lock_shared(ledger_month_key(p_organisation, v_month));
        EXIT WHEN NOT EXISTS (SELECT 1 FROM ledger_accountingperiod
                               WHERE organisation_id = p_organisation AND month = v_month);
        v_month := (v_month + interval '1 month')::date;
    END LOOP;
    RETURN v_month;
END $$;

-- Shuts a month, once it is had alone. Returns whether it was open.
CREATE FUNCTION ledger_shut_month(p_organisation bigint, p_month date) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(ledger_month_key(p_organisation, p_month));
    INSERT INTO ledger_accountingperiod (organisation_id, month, closed_at)
    VALUES (p_organisation, p_month, clock_timestamp()) ON CONFLICT (organisation_id, month) DO NOTHING;
    RETURN FOUND;
END $$;

-- Opens a month again, unless records of it are detached. Returns whether it was shut.
CREATE FUNCTION ledger_reopen_month(p_organisation bigint, p_month date) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(ledger_month_key(p_organisation, p_month));
    IF EXISTS (SELECT FROM ledger_dayusagesum s JOIN ledger_detached_now d ON d.id = s.detachment_id
                WHERE s.organisation_id = p_organisation AND s.month = p_month) THEN
        RAISE EXCEPTION 'Days of % are detached: attach them before the month is opened again.',
                        to_char(p_month, 'YYYY-MM')
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    DELETE FROM ledger_accountingperiod WHERE organisation_id = p_organisation AND month = p_month;
    RETURN FOUND;
END $$;
