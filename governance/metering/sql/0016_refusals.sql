-- Adds what a gateway process refused, by the hour, key and reason; whose a key is is read here. Locks: rows ascending.
CREATE FUNCTION metering_add_refusals(
    p_hour timestamptz[], p_key bigint[], p_code text[], p_requests bigint[]
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO metering_refusalsum (hour, organisation_id, team_id, key_id, user_id, code, requests)
    SELECT said.hour, k.organisation_id, k.team_id, k.id, k.user_id, said.code, said.requests
      FROM unnest(p_hour, p_key, p_code, p_requests) AS said (hour, key, code, requests)
      JOIN keys_virtualkey k ON k.id = said.key
     ORDER BY said.hour, k.id, said.code
    ON CONFLICT (hour, key_id, code) DO UPDATE SET requests = metering_refusalsum.requests + excluded.requests
$$;

-- Forgets what was refused before an instant.
CREATE FUNCTION metering_forget_refusals(p_before timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM metering_refusalsum WHERE hour < p_before
$$;
