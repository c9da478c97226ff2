-- A process becomes a worker. It must already hold the kernel lock on its lock file.
CREATE FUNCTION metering_register(p_host text, p_lock_name text, p_process_id integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO metering_worker (host, lock_name, process_id) VALUES (p_host, p_lock_name, p_process_id)
    RETURNING epoch
$$;

-- Ends an epoch whose process is proved dead: its attempts without outcome go to suspense, where their money stays
-- held. Returns how many. Replaying it changes nothing.
CREATE FUNCTION metering_recover(p_epoch bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_count integer;
BEGIN
    PERFORM 1 FROM metering_worker WHERE epoch = p_epoch AND state = 'alive' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE metering_worker SET state = 'dead' WHERE epoch = p_epoch;
    UPDATE metering_attempt SET state = 'suspense', suspense_reason = 'gateway_process_died'
     WHERE epoch = p_epoch AND state = 'open';
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;

