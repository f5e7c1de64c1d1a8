/*
 * Pins for everybody: the views read them with their owner's privileges, and show no values
 * and no keys.  The first is a part of ownership.risks: values that have been pinned for a
 * long time.
 */
CREATE VIEW ownership.pinned_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	SELECT 14, 'low', 'pinned', m.entity, m.field, ownership.relation_name(p.table_schema, p.table_name), p.column_name,
		array_remove(ARRAY[f.owner], NULL),
		format('%s of %s.%s %s been pinned for more than 90 days, the first since %s.',
			CASE p.pins WHEN 1 THEN '1 value' ELSE p.pins || ' values' END, ownership.relation_name(p.table_schema, p.table_name),
			quote_ident(p.column_name), CASE p.pins WHEN 1 THEN 'has' ELSE 'have' END, to_char(p.since, 'YYYY-MM-DD')),
		format('Have %s correct its values: the pins end when it sends the right ones. Or end them: SELECT ownership.unpin(%L, row_key, %L) FROM ownership.pin WHERE ended_at IS NULL AND pinned_at < now() - interval ''90 days'' AND (table_schema, table_name, column_name) = (%L, %L, %L)',
			coalesce(f.owner, 'the system of record'), ownership.relation_name(p.table_schema, p.table_name), p.column_name, p.table_schema, p.table_name, p.column_name)
	FROM (SELECT table_schema, table_name, column_name, count(*) AS pins, min(pinned_at) AS since
		FROM ownership.pin
		WHERE ended_at IS NULL AND pinned_at < now() - interval '90 days'
		GROUP BY table_schema, table_name, column_name) p
	LEFT JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name)
	LEFT JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field;
COMMENT ON VIEW ownership.pinned_risk IS 'Internal: the part of ownership.risks that is about values which have been pinned for a long time.';
GRANT SELECT ON ownership.pinned_risk TO PUBLIC;

/* How many values are pinned: for everybody, without values and keys. */
CREATE VIEW ownership.pinned_count AS
	SELECT table_schema, table_name, column_name, count(*) AS pinned, count(until) AS timed,
		count(gone_at) AS waiting, min(pinned_at) AS since
	FROM ownership.pin
	WHERE ended_at IS NULL
	GROUP BY table_schema, table_name, column_name;
COMMENT ON VIEW ownership.pinned_count IS 'Internal: how many values are pinned, by column; how many of them until a time, and how many in rows that were deleted.';
GRANT SELECT ON ownership.pinned_count TO PUBLIC;
