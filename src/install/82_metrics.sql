/*
 * Counts for a monitoring system, without values.  Every role may read them: a view
 * reads with its owner's rights, and each row is a count, a size or an age.  They are cheap
 * however much evidence there is: counts of conflicts come from a table of counts,
 * sizes and numbers of rows from what PostgreSQL knows of its tables.
 */

CREATE FUNCTION ownership.waiting_rows(OUT outcome text, OUT system text, OUT waiting bigint, OUT problems bigint)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_waiting_rows' LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION ownership.waiting_rows() IS 'Internal: how much evidence waits for its row, by outcome and writer, of the first 10,000.';

/* The version of the loaded library; that of the objects is in pg_extension. */
CREATE FUNCTION ownership.library_version()
RETURNS text AS 'MODULE_PATHNAME', 'ownership_library_version' LANGUAGE C STABLE;
COMMENT ON FUNCTION ownership.library_version() IS 'Internal: the version of the extension as which the loaded library was built.';

/* A condition on the name leaves out the other parts before they are computed. */
CREATE VIEW ownership.metrics WITH (security_barrier) AS
WITH writer (system) AS (
	SELECT name FROM ownership.system
	UNION ALL
	SELECT '?'
)
SELECT 'conflicts_total'::text AS name, w.system, o.outcome AS detail, coalesce(c.rows, 0)::bigint AS value
FROM writer w
CROSS JOIN unnest('{observed,filled,kept,discarded,rejected,overridden,parked}'::text[]) AS o(outcome)
LEFT JOIN (SELECT coalesce(system, '?') AS system, outcome, sum(rows)::bigint AS rows FROM ownership.conflict_count GROUP BY 1, 2) c
	USING (system, outcome)
UNION ALL
SELECT 'reads_total', w.system, '', coalesce(sum(a.reads), 0)::bigint
FROM writer w
LEFT JOIN ownership.activity a ON coalesce(a.system, '?') = w.system
GROUP BY w.system
UNION ALL
SELECT 'writes_total', w.system, '', coalesce(sum(a.writes), 0)::bigint
FROM writer w
LEFT JOIN ownership.activity a ON coalesce(a.system, '?') = w.system
GROUP BY w.system
UNION ALL
SELECT 'last_write_timestamp_seconds', w.system, '', coalesce(extract(epoch FROM max(a.last_write)), 0)::bigint
FROM writer w
LEFT JOIN ownership.activity a ON coalesce(a.system, '?') = w.system AND a.column_name <> ''
GROUP BY w.system
UNION ALL
SELECT 'stale_fields', w.system, '', count(s.field)
FROM writer w
LEFT JOIN ownership.freshness s ON s.owner = w.system AND s.stale
WHERE w.system <> '?'
GROUP BY w.system
UNION ALL
SELECT 'waiting_rows', w.system, o.outcome, coalesce(c.waiting, 0)::bigint
FROM writer w
CROSS JOIN unnest('{parked,remembered}'::text[]) AS o(outcome)
LEFT JOIN ownership.waiting_rows() c ON coalesce(c.system, '?') = w.system AND c.outcome = o.outcome
UNION ALL
SELECT 'waiting_problems', w.system, o.outcome, coalesce(c.problems, 0)::bigint
FROM writer w
CROSS JOIN unnest('{parked,remembered}'::text[]) AS o(outcome)
LEFT JOIN ownership.waiting_rows() c ON coalesce(c.system, '?') = w.system AND c.outcome = o.outcome
UNION ALL
SELECT 'evidence_rows', '', t.name, coalesce(nullif(pg_stat_get_live_tuples(c.oid), 0), greatest(c.reltuples::bigint, 0))
FROM unnest('{conflict,history}'::text[]) AS t(name)
JOIN pg_catalog.pg_class c ON c.oid = ('ownership.' || t.name)::regclass
UNION ALL
SELECT 'evidence_bytes', '', t.name, coalesce(pg_total_relation_size(('ownership.' || t.name)::regclass), 0)
FROM unnest('{conflict,history}'::text[]) AS t(name)
UNION ALL
SELECT 'pins_open', '', '', count(*)
FROM ownership.pin
WHERE ended_at IS NULL
UNION ALL
SELECT 'mapped_fields', '', d.detail, count(f.name)
FROM unnest('{owned,unowned,local}'::text[]) AS d(detail)
LEFT JOIN ownership.field_now f ON d.detail = CASE WHEN f.local THEN 'local' WHEN f.owner IS NULL THEN 'unowned' ELSE 'owned' END
GROUP BY d.detail
UNION ALL
SELECT 'mirrored_tables', '', d.detail, count(g.relation)
FROM unnest('{guarded,unguarded,missing}'::text[]) AS d(detail)
LEFT JOIN ownership.guards g ON d.detail = CASE WHEN g.guarded THEN 'guarded' WHEN g.problems = ARRAY['the table is not there'] THEN 'missing' ELSE 'unguarded' END
GROUP BY d.detail
UNION ALL
SELECT 'feed_subscriptions', '', d.detail, count(s.name)
FROM unnest('{identified,unidentified}'::text[]) AS d(detail)
LEFT JOIN (SELECT DISTINCT unnest(g.subscriptions) AS name FROM ownership.guards g) s
	ON d.detail = CASE WHEN EXISTS (SELECT FROM ownership.identity i WHERE i.kind = 'subscription' AND i.name = s.name) THEN 'identified' ELSE 'unidentified' END
GROUP BY d.detail
UNION ALL
SELECT 'settings_weakened', '', '', count(*)
FROM ownership.weakened
UNION ALL
SELECT 'map_behind', '', '', (SELECT count(*) FROM ownership.map_behind()) + (SELECT count(*) FROM ownership.map_feed WHERE state <> 'current')
UNION ALL
SELECT 'version_differs', '', '', count(*)
FROM pg_catalog.pg_extension
WHERE extname = 'ownership' AND extversion <> ownership.library_version()
UNION ALL
SELECT m.name, '', '', m.value FROM ownership.own_metric() m;
COMMENT ON VIEW ownership.metrics IS 'Counts for a monitoring system, never values of rows. Every row is always there, with 0 where nothing was counted. The names stay. A name that ends in _total is a counter: it grows until the extension or its data is created anew. All others go up and down. The unit is part of the name.';
COMMENT ON COLUMN ownership.metrics.name IS
'Name of the metric.
- conflicts_total: Rows that were in conflict, by the writing system and the outcome (detail). A refused value that is sent again counts again. Nothing is counted unless the library is preloaded.
- reads_total: Columns that statements have read, by system.
- writes_total: Columns that statements or replicated row changes have written, by system.
- last_write_timestamp_seconds: Time of the last write of a system, in seconds since 1970. 0: never.
- stale_fields: Fields of which no row came from their system of record within field.fresh_within, by that system.
- waiting_rows: Open evidence that waits for its row, by the system that wrote, and the outcome: parked or remembered. Of more than 10,000 in all only 10,000 are counted.
- waiting_problems: Those of them whose value could not be written into its row.
- evidence_rows: About how many rows the table conflict, or history, has.
- evidence_bytes: Its size on disk, with its indexes.
- pins_open: Pins that have not ended.
- mapped_fields: Fields on the map: owned, unowned or local.
- mirrored_tables: Mirrored tables: guarded, unguarded, or missing in the database.
- feed_subscriptions: Subscriptions that feed mirrored tables: identified or unidentified.
- settings_weakened: Settings by which sessions are guarded less than the map says.
- map_behind: Tables and columns that DDL changed and the map did not follow, and subscriptions that bring the map of another hub and are not current.
- version_differs: 1: library and SQL objects are of different versions.
- preloaded: 1: the library is preloaded.
- worker_running: 1: the background worker runs. It ends when it is idle.
- worker_failed: 1: the background worker has failed, and has not succeeded since.
- worker_no_process: 1: the background worker cannot be started, because no process is free.
- unwritten_seconds: Time for which something has waited to be written to the tables.
- attempts_unwritten: Rejected attempts that are not in ownership.conflict yet.
- attempts_dropped_total: Rejected attempts that found no room in shared memory, since the server started.
- counts_dropped_total: Counts that found no room in shared memory, since the server started.
- queue_size_bytes: Shared memory for rejected attempts.
- queue_used_bytes: The part of it that is in use, by all databases.
- counters_size: Counters for which shared memory has room.
- counters_used: Those of them that are in use, by all databases.';
COMMENT ON COLUMN ownership.metrics.system IS 'Name of the system. ?: unidentified writers. Empty: the metric is not about a system.';
COMMENT ON COLUMN ownership.metrics.detail IS 'Outcome, table or state, as the name says. Empty: none.';
COMMENT ON COLUMN ownership.metrics.value IS 'The count, the size in bytes, or the time in seconds.';
GRANT SELECT ON ownership.metrics TO PUBLIC;
