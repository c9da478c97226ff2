-- What usage records add up to by local day of their organisation, so that pages read some thousand sums instead of
-- millions of records. Sums cover the records settled before `summed_until`; whoever reads them adds the records settled
-- since, which an index that costs next to nothing finds: records lie in the order in which they were settled.
CREATE TABLE ledger_daysum (
    organisation_id bigint NOT NULL,
    day             date   NOT NULL,
    team_id         bigint NOT NULL,
    key_id          bigint NOT NULL,
    user_id         bigint,
    model_id        bigint NOT NULL,
    connection_id   bigint NOT NULL,
    charge_nano     bigint NOT NULL,
    requests        bigint NOT NULL,
    failed          bigint NOT NULL,
    input_tokens    bigint NOT NULL,
    output_tokens   bigint NOT NULL,
    CONSTRAINT a_day_is_summed_once UNIQUE NULLS NOT DISTINCT
        (organisation_id, day, team_id, key_id, model_id, connection_id, user_id)
);

-- One row. `next_until` is where the next step ends, and `next_transaction` a transaction number that was given away after
-- that instant: once all before it have ended, no record settled before the instant can still appear.
CREATE TABLE ledger_daysumprogress (
    id               boolean     PRIMARY KEY DEFAULT true,
    summed_until     timestamptz NOT NULL DEFAULT '-infinity',
    next_until       timestamptz NOT NULL DEFAULT '-infinity',
    next_transaction xid8,
    CONSTRAINT there_is_one_progress CHECK (id)
);
INSERT INTO ledger_daysumprogress DEFAULT VALUES;

CREATE INDEX usage_records_by_settlement ON ledger_usagerecord USING brin (settled_at) WITH (autosummarize = on);

-- The sums of records settled in [p_from, p_until) and admitted from p_since on.
CREATE FUNCTION ledger_sums_of_days(p_from timestamptz, p_until timestamptz, p_since timestamptz)
RETURNS SETOF ledger_daysum LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT r.organisation_id, (r.admitted_at AT TIME ZONE g.zone)::date, r.team_id, r.key_id, r.user_id, r.model_id,
           r.connection_id, sum(r.charge_nano)::bigint, count(*) FILTER (WHERE r.revision = 1),
           count(*) FILTER (WHERE r.revision = 1 AND r.http_status >= 400),
           coalesce(sum(r.input_tokens) FILTER (WHERE r.revision = 1), 0)::bigint,
           coalesce(sum(r.output_tokens) FILTER (WHERE r.revision = 1), 0)::bigint
      FROM ledger_usagerecord r JOIN teams_organisation g ON g.id = r.organisation_id
     WHERE r.settled_at >= p_from AND r.settled_at < p_until AND r.admitted_at >= p_since
     GROUP BY 1, 2, 3, 4, 5, 6, 7
$$;

-- Takes one step: sums what was settled until the instant that the call before took, if nothing older can still appear,
-- and takes the next one. Returns how many sums it touched; 0 also while a long transaction holds it up.
CREATE FUNCTION ledger_roll_day_sums() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_progress ledger_daysumprogress;
    v_touched  integer := 0;
    v_mine     xid8;
BEGIN
    -- The number of this transaction is given away now, after the instant of the call. (The end of a snapshot will not do:
    -- it is the number after the last that ended, and others may run beyond it.)
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'Sums by day are made in a transaction of their own.';
    END IF;
    v_mine := pg_current_xact_id();
    SELECT * INTO v_progress FROM ledger_daysumprogress FOR UPDATE;
    IF v_progress.next_transaction IS NOT NULL THEN
        IF pg_snapshot_xmin(pg_current_snapshot()) < v_progress.next_transaction THEN
            RETURN 0;
        END IF;
        INSERT INTO ledger_daysum AS kept
        SELECT * FROM ledger_sums_of_days(v_progress.summed_until, v_progress.next_until, '-infinity')
        ON CONFLICT ON CONSTRAINT a_day_is_summed_once DO UPDATE
           SET charge_nano = kept.charge_nano + excluded.charge_nano, requests = kept.requests + excluded.requests,
               failed = kept.failed + excluded.failed, input_tokens = kept.input_tokens + excluded.input_tokens,
               output_tokens = kept.output_tokens + excluded.output_tokens;
        GET DIAGNOSTICS v_touched = ROW_COUNT;
    END IF;
    UPDATE ledger_daysumprogress
       SET summed_until = v_progress.next_until, next_until = statement_timestamp(), next_transaction = v_mine;
    RETURN v_touched;
END $$;

-- Proves the sums of the local days from p_since on against the records, and mends those that differ; returns how many
-- did. A clock that was set back, or a standby's that was behind, can have let a record go by. Days that are detached
-- are left out, with their neighbours of the other zones.
CREATE FUNCTION ledger_mend_day_sums(p_since date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_until  timestamptz;
    v_mended integer;
BEGIN
    SELECT summed_until INTO v_until FROM ledger_daysumprogress FOR UPDATE;
    IF EXISTS (SELECT FROM ledger_detached_now WHERE day >= p_since - 1) THEN
        RETURN 0;
    END IF;
    CREATE TEMPORARY TABLE true_sums ON COMMIT DROP AS
        SELECT * FROM ledger_sums_of_days('-infinity', v_until, (p_since - 1)::timestamp AT TIME ZONE 'UTC')
         WHERE day >= p_since;
    CREATE TEMPORARY TABLE wrong_sums ON COMMIT DROP AS
        SELECT * FROM ledger_daysum WHERE day >= p_since EXCEPT SELECT * FROM true_sums;
    CREATE TEMPORARY TABLE missing_sums ON COMMIT DROP AS
        SELECT * FROM true_sums EXCEPT SELECT * FROM ledger_daysum WHERE day >= p_since;
    ANALYZE wrong_sums;
    DELETE FROM ledger_daysum kept USING wrong_sums w
     WHERE (kept.organisation_id, kept.day, kept.team_id, kept.key_id, kept.model_id, kept.connection_id)
         = (w.organisation_id, w.day, w.team_id, w.key_id, w.model_id, w.connection_id)
       AND kept.user_id IS NOT DISTINCT FROM w.user_id;
    INSERT INTO ledger_daysum SELECT * FROM missing_sums;
    SELECT greatest((SELECT count(*) FROM wrong_sums), (SELECT count(*) FROM missing_sums)) INTO v_mended;
    DROP TABLE wrong_sums, missing_sums;
    DROP TABLE true_sums;
    RETURN v_mended;
END $$;
