-- A file of lines that the vendor has taken for a team: what settles its price later, not what it says.
CREATE FUNCTION jobs_keep_file(
    p_team bigint, p_connection bigint, p_deployment bigint, p_vendor_id text, p_wire text, p_alias text, p_lines bytea,
    p_shown text
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO jobs_file (team_id, connection_id, deployment_id, vendor_id, wire, alias, lines, shown)
    VALUES (p_team, p_connection, p_deployment, p_vendor_id, p_wire, p_alias, p_lines, p_shown)
$$;

-- Files of results belong to whom their job belongs.
CREATE FUNCTION jobs_own_files(p_job uuid, p_vendor_ids text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO jobs_file (team_id, connection_id, vendor_id, job_id)
    SELECT j.team_id, j.connection_id, results.name, j.id
      FROM jobs_job j CROSS JOIN unnest(p_vendor_ids) AS results (name)
     WHERE j.id = p_job
    ON CONFLICT DO NOTHING
$$;

-- The file is gone at its vendor.
CREATE FUNCTION jobs_forget_file(p_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE jobs_file SET deleted_at = clock_timestamp(), lines = NULL, shown = '' WHERE id = p_id AND deleted_at IS NULL
$$;
