/*
 * The subscriptions that bring the map of another hub, and whether what is decided there
 * holds here: as far as this database can know it.
 */
CREATE FUNCTION ownership.applied_position(subscription oid)
RETURNS pg_lsn AS 'MODULE_PATHNAME', 'ownership_applied_position' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION ownership.applied_position(oid) IS 'Internal: up to where a subscription has applied what its publisher has written, for the view map_feed.';

CREATE VIEW ownership.map_feed AS
SELECT s.subname::text AS subscription,
	CASE WHEN NOT s.subenabled THEN 'disabled'
		WHEN w.pid IS NULL THEN 'stopped'
		WHEN t.copying IS NOT NULL THEN 'copying'
		WHEN w.heard_at IS NULL THEN 'starting'
		/* after half of that time a worker asks for an answer; after all of it, it ends, if it does not wait for something else */
		WHEN statement_timestamp() - w.heard_at > coalesce(nullif(current_setting('wal_receiver_timeout')::interval, '0'), '2 minutes') THEN 'silent'
		ELSE 'current' END AS state,
	w.heard_at, ownership.applied_position(s.oid) AS applied, coalesce(e.apply_error_count, 0) AS errors, t.copying
FROM (SELECT r.srsubid, array_agg(c.relname::text ORDER BY c.relname COLLATE "C") FILTER (WHERE r.srsubstate NOT IN ('s', 'r')) AS copying
	FROM pg_catalog.pg_subscription_rel r
	JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
	WHERE c.relnamespace = 'ownership'::regnamespace
	GROUP BY r.srsubid
	/* as the trigger another_hub() decides */
	HAVING bool_or(c.relname IN ('system', 'identity', 'domain', 'deleted_domain', 'field', 'declared_access', 'mirrored_pattern', 'mirrored_table', 'mirrored_column', 'row_owner', 'handover', 'pin'))
	   AND NOT bool_or(c.relname IN ('conflict', 'history', 'activity', 'map_history', 'bound_table'))) t
JOIN pg_catalog.pg_subscription s ON s.oid = t.srsubid
LEFT JOIN (SELECT subid, max(pid) AS pid, nullif(max(last_msg_receipt_time), '-infinity') AS heard_at
	FROM pg_catalog.pg_stat_subscription
	WHERE relid IS NULL
	GROUP BY subid) w ON w.subid = s.oid
LEFT JOIN pg_catalog.pg_stat_subscription_stats e ON e.subid = s.oid
/* no subscription of a standby runs */
WHERE NOT pg_catalog.pg_is_in_recovery();
COMMENT ON VIEW ownership.map_feed IS 'The subscriptions that bring the map of another hub. One row is one subscription. A standby has none.';
COMMENT ON COLUMN ownership.map_feed.subscription IS 'Name of the subscription.';
COMMENT ON COLUMN ownership.map_feed.state IS 'current: what is decided on the other hub arrives. disabled: the subscription is disabled. stopped: it has no worker, as after an error. copying: the first copy of some tables has not ended. starting: its worker has not heard from the other hub yet. silent: its worker has heard nothing for wal_receiver_timeout (two minutes, if that is 0), as when it waits for a lock. All but current are the risk map_behind.';
COMMENT ON COLUMN ownership.map_feed.heard_at IS 'When the worker last heard from the other hub. NULL: no worker runs, or it has not heard anything yet.';
COMMENT ON COLUMN ownership.map_feed.applied IS 'Position in the WAL of the other hub up to which this one has applied it. NULL: nothing was applied yet.';
COMMENT ON COLUMN ownership.map_feed.errors IS 'How often the worker was stopped by an error, since the statistics were reset.';
COMMENT ON COLUMN ownership.map_feed.copying IS 'Tables of the map whose first copy has not ended. NULL: none.';
GRANT SELECT ON ownership.map_feed TO PUBLIC;
