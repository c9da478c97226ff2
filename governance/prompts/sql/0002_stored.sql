-- Requests and replies of teams that opted in, sealed; partitioned by day (UTC) of the request.
CREATE TABLE prompts_storedprompt (
    request_id      uuid        NOT NULL,
    asked_at        timestamptz NOT NULL,
    organisation_id bigint      NOT NULL,
    team_id         bigint      NOT NULL,
    key_id          bigint      NOT NULL,
    attempt_id      uuid,
    alias           text        NOT NULL,
    wire            text        NOT NULL,
    status          smallint    NOT NULL,
    is_cut          boolean     NOT NULL,
    data_key_id     uuid        NOT NULL,
    nonce           bytea       NOT NULL,
    ciphertext      bytea       NOT NULL,
    PRIMARY KEY (request_id, asked_at)
) PARTITION BY RANGE (asked_at);
CREATE INDEX stored_prompts_by_team ON prompts_storedprompt (team_id, asked_at DESC);

-- Catches what no day's partition takes.
CREATE TABLE prompts_storedprompt_default PARTITION OF prompts_storedprompt DEFAULT;

-- Keeps what a gateway hands over; the arrays run in parallel. What a team does not want any more is left out: its data
-- key is gone. Again with the same rows it changes nothing. Returns how many were kept.
CREATE FUNCTION prompts_keep(
    p_request_ids uuid[], p_asked_at timestamptz[], p_organisation_ids bigint[], p_team_ids bigint[],
    p_key_ids bigint[], p_attempt_ids uuid[], p_aliases text[], p_wires text[], p_statuses smallint[],
    p_is_cut boolean[], p_data_key_ids uuid[], p_nonces bytea[], p_ciphertexts bytea[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_kept integer;
BEGIN
    INSERT INTO prompts_storedprompt
    SELECT handed.*
      FROM unnest(p_request_ids, p_asked_at, p_organisation_ids, p_team_ids, p_key_ids, p_attempt_ids, p_aliases,
                  p_wires, p_statuses, p_is_cut, p_data_key_ids, p_nonces, p_ciphertexts)
           AS handed (request_id, asked_at, organisation_id, team_id, key_id, attempt_id, alias, wire, status, is_cut,
                      data_key_id, nonce, ciphertext)
      JOIN prompts_promptstorage s ON s.team_id = handed.team_id AND s.data_key_id = handed.data_key_id
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_kept = ROW_COUNT;
    RETURN v_kept;
END $$;

-- Makes the partitions from today to today + p_days_ahead; a day of which the default partition has rows stays there.
CREATE FUNCTION prompts_make_partitions(p_days_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_day  date;
    v_from timestamptz;
    v_made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('prompts_partitions'));
    FOR v_day IN SELECT (now() AT TIME ZONE 'UTC')::date + step FROM generate_series(0, p_days_ahead) AS step LOOP
        v_from := v_day::timestamp AT TIME ZONE 'UTC';
        CONTINUE WHEN to_regclass('prompts_storedprompt_p' || to_char(v_day, 'YYYYMMDD')) IS NOT NULL;
        CONTINUE WHEN EXISTS (SELECT FROM prompts_storedprompt_default
                               WHERE asked_at >= v_from AND asked_at < v_from + interval '1 day');
        EXECUTE format('CREATE TABLE %I PARTITION OF prompts_storedprompt FOR VALUES FROM (%L) TO (%L)',
                       'prompts_storedprompt_p' || to_char(v_day, 'YYYYMMDD'), v_from, v_from + interval '1 day');
        v_made := v_made + 1;
    END LOOP;
    RETURN v_made;
END $$;

-- Forgets what is older than its team wants, and what no team's data key opens any more. A day that nobody wants goes
-- as a whole. Returns how many rows went one by one.
CREATE FUNCTION prompts_forget_old(p_at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_oldest date := (p_at AT TIME ZONE 'UTC')::date - coalesce((SELECT max(days) FROM prompts_promptstorage), 0);
    v_name   text;
    v_gone   integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('prompts_partitions'));
    FOR v_name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'prompts_storedprompt'::regclass
           AND to_date(substring(c.relname FROM '^prompts_storedprompt_p([0-9]{8})$'), 'YYYYMMDD') < v_oldest
    LOOP
        EXECUTE format('DROP TABLE %I', v_name);
    END LOOP;
    DELETE FROM prompts_storedprompt p
     WHERE NOT EXISTS (
           SELECT FROM prompts_promptstorage s
            WHERE s.team_id = p.team_id AND s.data_key_id = p.data_key_id
              AND p.asked_at >= p_at - make_interval(days => s.days));
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $$;

SELECT prompts_make_partitions(7);

CREATE TRIGGER policy_hears_of_it AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON prompts_promptstorage
    FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
