-- What a gateway process says of jobs: the gateway writes to no table directly.

-- A job is about to be sent; its reservation stands. Until its vendor has answered nobody looks at it, for p_patience
-- seconds: longer than any answer takes.
CREATE FUNCTION jobs_begin(p_id uuid, p_kind text, p_team bigint, p_connection bigint, p_patience double precision)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO jobs_job (id, kind, team_id, connection_id, next_look_at)
    VALUES (p_id, p_kind, p_team, p_connection, clock_timestamp() + make_interval(secs => p_patience))
$$;

-- The vendor described the job: as p_vendor_id, with this status. It is looked at again within p_seconds. Returns whether
-- there is such a job that has not ended; of one that has, only the description changes.
CREATE FUNCTION jobs_note(p_id uuid, p_vendor_id text, p_status text, p_shown text, p_seconds double precision)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_job jobs_job;
BEGIN
    UPDATE jobs_job j
       SET vendor_id = CASE WHEN j.vendor_id = '' THEN p_vendor_id ELSE j.vendor_id END,
           status = p_status,
           shown = p_shown,
           next_look_at = CASE WHEN j.state = 'sending' THEN clock_timestamp() + make_interval(secs => p_seconds)
                               ELSE least(j.next_look_at, clock_timestamp() + make_interval(secs => p_seconds)) END,
           state = CASE WHEN j.state = 'sending' THEN 'open' ELSE j.state END
     WHERE j.id = p_id
    RETURNING * INTO v_job;
    RETURN FOUND AND v_job.state <> 'ended';
END $$;

-- The job came to nothing: its vendor refused it, or was never asked. Its reservation is ended by the caller.
CREATE FUNCTION jobs_drop(p_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE jobs_job SET state = 'ended', ended_at = clock_timestamp() WHERE id = p_id AND state <> 'ended'
$$;
