-- Forgets the sessions that are over, and what was kept about them. With the owner's rights, because the worker, which calls
-- it, may not look at sessions. Returns how many there were.
CREATE FUNCTION identity_forget_sessions() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH over AS (
        DELETE FROM django_session WHERE expire_date <= now() RETURNING session_key
    ), unknown AS (
        DELETE FROM usersessions_usersession u
         WHERE NOT EXISTS (SELECT FROM django_session s WHERE s.session_key = u.session_key AND s.expire_date > now())
    )
    SELECT count(*) FROM over
$$;
