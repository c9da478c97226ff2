-- Rate limits: what may be admitted is taken in slices, by the process that admits it. No money, so no journal: what a
-- crash loses is lost until its window ends, and nothing is ever admitted beyond the amount.
ALTER TABLE metering_allowance SET (fillfactor = 50);
ALTER TABLE metering_allotment SET (fillfactor = 50);

-- The allowance of this limit for this member (both NULL: for everybody), made if need be.
CREATE FUNCTION metering_open_allowance(p_limit bigint, p_user bigint, p_key bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO metering_allowance (rate_limit_id, user_id, key_id) VALUES (p_limit, p_user, p_key)
    ON CONFLICT DO NOTHING;
    SELECT a.id INTO v_id FROM metering_allowance a
     WHERE a.rate_limit_id = p_limit AND a.user_id IS NOT DISTINCT FROM p_user AND a.key_id IS NOT DISTINCT FROM p_key;
    RETURN v_id;
END $$;

-- What may still be taken from an allowance: of its current window, or of requests at the same time. The caller has
-- begun the current window and removed the allotments of processes that are not alive.
CREATE FUNCTION metering_left(a metering_allowance, r policy_ratelimit) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT r.amount - CASE WHEN r."window" IS NOT NULL THEN a.taken
                           ELSE (SELECT coalesce(sum(t.amount), 0)::bigint FROM metering_allotment t
                                  WHERE t.allowance_id = a.id) END
$$;

CREATE FUNCTION metering_window_start(r policy_ratelimit, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT date_trunc(r."window", at, 'UTC')
$$;

CREATE FUNCTION metering_window_end(r policy_ratelimit, starts_at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT starts_at + make_interval(secs => CASE r."window" WHEN 'minute' THEN 60 WHEN 'hour' THEN 3600
                                                             WHEN 'day' THEN 86400 END)
$$;

-- Gives back and takes, for any number of claims, in one round trip; giving back alone is a claim that wants nothing.
--
-- The arrays run in parallel, one element per claim and allowance; claims are served in the order of their numbers, and
-- each gets something of all it asks or of none. Of an allowance that several of them ask, the first element speaks for
-- the process:
--   p_back     what it hands back unused, of the window that p_window names; nothing happens if that one is over
--   p_keeps    requests that it has running or may admit; NULL in elements that are not the first. It is a statement,
--              not a change, so that a lost answer is mended by the next one; p_sequence tells which is the newer
--   p_need, p_want  what must at least be granted, and what the claim would like
--   p_slice    how much more is worth having               p_typical  what a claim of this process usually takes
-- The arithmetic is `slice_size` in governance/metering/rates.py; tests hold the two against each other.
--
-- outcome per line: granted   is_exact: a fair share is so small that nothing is to be kept for later
--                   refused   one line per refused claim: of what it lacks, that which comes back last
--                   fenced    the epoch is not alive: nothing may be done in its name
-- `remaining` is what was left after the grant. Whoever finds an allowance in use by an epoch that is not alive takes it
-- away: a process that is dead serves nobody, one that was only silent begins anew when it learns of it. No money is at
-- stake, so that no proof of death is waited for.
-- Locks: worker, allowances ascending by id, allotments.
CREATE FUNCTION metering_take(
    p_epoch bigint, p_sequence bigint, p_claim integer[], p_allowance bigint[], p_back bigint[],
    p_window timestamptz[], p_keeps bigint[], p_need bigint[], p_want bigint[], p_slice bigint[], p_typical bigint[]
) RETURNS TABLE (
    claim integer, allowance_id bigint, outcome text, granted bigint, is_exact boolean, amount bigint,
    remaining bigint, starts_at timestamptz, ends_at timestamptz, at timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_claim integer;
    v_heard integer;
    v_lack  record;
BEGIN
    at := clock_timestamp();
    PERFORM 1 FROM metering_worker w WHERE w.epoch = p_epoch AND w.state = 'alive' FOR KEY SHARE;
    IF NOT FOUND THEN
        outcome := 'fenced';
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM 1 FROM metering_allowance a WHERE a.id = ANY (p_allowance) ORDER BY a.id FOR NO KEY UPDATE;
    at := clock_timestamp();
    DELETE FROM metering_allotment t USING metering_worker w
     WHERE t.allowance_id = ANY (p_allowance) AND w.epoch = t.epoch AND w.state <> 'alive';
    INSERT INTO metering_allotment AS t (epoch, allowance_id, amount, sequence, used_at)
    SELECT p_epoch, said.allowance, said.keeps, p_sequence,
           CASE WHEN said.want > 0 THEN at ELSE at - interval '1 minute' END
      FROM unnest(p_allowance, p_keeps, p_want) AS said (allowance, keeps, want) WHERE said.keeps IS NOT NULL
    ON CONFLICT ON CONSTRAINT an_epoch_has_one_allotment_per_allowance
    DO UPDATE SET amount = excluded.amount, sequence = excluded.sequence, used_at = greatest(t.used_at, excluded.used_at)
     WHERE t.sequence < excluded.sequence;
    GET DIAGNOSTICS v_heard = ROW_COUNT;
    IF v_heard < array_length(array_remove(p_keeps, NULL), 1) THEN
        RETURN;  -- a newer statement was heard before this one, for whose answer nobody waits any more
    END IF;
    -- A window never goes back, whatever the clock does.
    UPDATE metering_allowance a SET window_starts_at = metering_window_start(r, at), taken = 0
      FROM policy_ratelimit r
     WHERE a.id = ANY (p_allowance) AND r.id = a.rate_limit_id AND r."window" IS NOT NULL
       AND (a.window_starts_at IS NULL OR a.window_starts_at < metering_window_start(r, at));
    UPDATE metering_allowance a SET taken = greatest(0, a.taken - given.back)
      FROM unnest(p_allowance, p_back, p_window) AS given (allowance, back, starts_at)
     WHERE a.id = given.allowance AND given.back > 0 AND a.window_starts_at = given.starts_at;
    FOR v_claim IN SELECT DISTINCT c FROM unnest(p_claim) AS c ORDER BY c LOOP
        SELECT a.id, r.amount, metering_left(a, r) AS remaining, a.window_starts_at,
               metering_window_end(r, a.window_starts_at) AS ends_at INTO v_lack
          FROM unnest(p_claim, p_allowance, p_need) AS ask (c, allowance, need)
          JOIN metering_allowance a ON a.id = ask.allowance
          JOIN policy_ratelimit r ON r.id = a.rate_limit_id
         WHERE ask.c = v_claim AND ask.need > 0 AND metering_left(a, r) < ask.need
         ORDER BY metering_window_end(r, a.window_starts_at) DESC NULLS LAST, a.id LIMIT 1;
        claim := v_claim;
        IF FOUND THEN
            allowance_id := v_lack.id;
            outcome := 'refused';
            granted := 0;
            is_exact := false;
            amount := v_lack.amount;
            remaining := v_lack.remaining;
            starts_at := v_lack.window_starts_at;
            ends_at := v_lack.ends_at;
            RETURN NEXT;
            CONTINUE;
        END IF;
        RETURN QUERY
        WITH line AS (
            SELECT ask.*, r.amount, r."window", metering_left(a, r) AS remaining, a.window_starts_at,
                   metering_window_end(r, a.window_starts_at) AS ends_at,
                   (SELECT 1 + count(*) FROM metering_allotment t
                     WHERE t.allowance_id = a.id AND t.epoch <> p_epoch
                       AND t.used_at > at - interval '10 seconds') AS users
              FROM unnest(p_claim, p_allowance, p_need, p_want, p_slice, p_typical)
                   AS ask (c, allowance, need, want, slice, typical)
              JOIN metering_allowance a ON a.id = ask.allowance
              JOIN policy_ratelimit r ON r.id = a.rate_limit_id
             WHERE ask.c = v_claim
        ), sized AS (
            SELECT share.*, fair < 4 * typical AS exact,
                   CASE WHEN fair < 4 * typical THEN wanted ELSE greatest(wanted, least(fair, slice)) END AS granted
              FROM (SELECT line.*, greatest(need, least(want, remaining)) AS wanted,
                           greatest(0, remaining) / (2 * users) AS fair FROM line) AS share
        ), taken AS (
            UPDATE metering_allowance a SET taken = a.taken + sized.granted
              FROM sized WHERE a.id = sized.allowance AND sized."window" IS NOT NULL
        ), allotted AS (
            UPDATE metering_allotment t SET amount = t.amount + sized.granted
              FROM sized WHERE t.epoch = p_epoch AND t.allowance_id = sized.allowance AND sized."window" IS NULL
        )
        SELECT v_claim, sized.allowance, 'granted', sized.granted::bigint, sized.exact, sized.amount,
               (sized.remaining - sized.granted)::bigint, sized.window_starts_at, sized.ends_at, at
          FROM sized;
    END LOOP;
    DELETE FROM metering_allotment t
     WHERE t.epoch = p_epoch AND t.allowance_id = ANY (p_allowance) AND t.amount = 0
       AND t.used_at < at - interval '10 seconds';
END $$;
