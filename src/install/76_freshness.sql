CREATE FUNCTION ownership.own_metric(OUT name text, OUT value bigint)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_own_metric' LANGUAGE C VOLATILE ROWS 12;
COMMENT ON FUNCTION ownership.own_metric() IS 'Internal: the part of the view metrics that is about shared memory and the worker.';

/*
 * Fields that have to be fresh, and whether they are.  Rows that come are counted only
 * where the library is preloaded: elsewhere no field is stale.  A field whose owner was
 * never seen is stale if it could have been seen for long enough: since the server
 * started and since the map last said something else of the field.
 */
CREATE VIEW ownership.freshness AS
SELECT f.entity, f.name AS field, f.owner, f.fresh_within, r.last_row,
	coalesce((SELECT m.value > 0 FROM ownership.own_metric() m WHERE m.name = 'counters_size') AND statement_timestamp() - f.fresh_within > coalesce(r.last_row,
		greatest(pg_postmaster_start_time(), h.changed_at)), false) AS stale
FROM ownership.field_now f
LEFT JOIN (SELECT entity, field, max(changed_at) AS changed_at FROM ownership.map_history GROUP BY entity, field) h
	ON h.entity = f.entity AND h.field = f.name
CROSS JOIN LATERAL (SELECT max(a.last_write) AS last_row
	FROM ownership.mirrored_column c
	JOIN ownership.activity a ON (a.table_schema, a.table_name) = (c.table_schema, c.table_name)
	WHERE (c.entity, c.field) = (f.entity, f.name) AND a.system = f.owner) r
WHERE f.fresh_within IS NOT NULL AND f.owner IS NOT NULL AND NOT f.local;
COMMENT ON VIEW ownership.freshness IS 'The fields that have to be fresh (field.fresh_within), and when the last row of their tables came from their system of record. Local fields and fields without a system of record are left out.';
COMMENT ON COLUMN ownership.freshness.entity IS 'Entity of the field.';
COMMENT ON COLUMN ownership.freshness.field IS 'Name of the field.';
COMMENT ON COLUMN ownership.freshness.owner IS 'System of record of the field.';
COMMENT ON COLUMN ownership.freshness.fresh_within IS 'Longest time without a row of the system of record.';
COMMENT ON COLUMN ownership.freshness.last_row IS 'Time at which the last row came from the system of record, in any of the tables that contain the field, changed or not. NULL: none was seen.';
COMMENT ON COLUMN ownership.freshness.stale IS 'true: no row came for longer than that. false also where the library is not preloaded, because nothing is counted there.';
GRANT SELECT ON ownership.freshness TO PUBLIC;
