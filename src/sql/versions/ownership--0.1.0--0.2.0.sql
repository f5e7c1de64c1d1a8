/* ownership: from 0.1.0 to 0.2.0 */

\echo Use "ALTER EXTENSION ownership UPDATE" to load this file. \quit

/* finds what was kept out of a row last, of one writer, however much evidence there is; see conflict.c */
CREATE INDEX conflict_latest_idx ON ownership.conflict
	(jsonb_hash_extended(row_key, hashtextextended(table_schema || '.' || table_name || '.' || coalesce(system, ''), 0)), id)
	WHERE outcome IN ('kept', 'discarded');

/* tells what a dump that was restored in part left out, of guards that went unseen, and of patterns whose schema is gone */
CREATE OR REPLACE VIEW ownership.ddl_risk (rank, severity, risk, entity, field, relation, column_name, systems, detail, advice) AS
	/* the guard belongs there, and none of it is left */
	SELECT 3, 'high', 'unguarded', NULL::text, NULL::text, ownership.relation_name(b.table_schema, b.table_name), NULL::text, '{}'::text[],
		format('The guard of %s is gone: nothing enforces its map.', ownership.relation_name(b.table_schema, b.table_name)),
		format('SELECT ownership.guard(%L) guards it again; ownership.unguard() tells that it shall not be guarded.',
			ownership.relation_name(b.table_schema, b.table_name))
	FROM ownership.bound_table b
	JOIN ownership.mirrored_table m USING (table_schema, table_name)
	/* by its name: not all tables come by a command that event triggers see */
	JOIN pg_catalog.pg_namespace n ON n.nspname = b.table_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = b.table_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE b.guarded AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid IN (
		'ownership.guard_amend()'::regprocedure, 'ownership.guard_judge()'::regprocedure, 'ownership.guard_truncate()'::regprocedure))
	UNION ALL
	/* a trigger of it has another name, and so another place in the order */
	SELECT 3, 'high', 'unguarded', NULL, NULL, ownership.relation_name(n.nspname::text, c.relname::text), NULL, '{}',
		format('Trigger %I of %s is the guard''s %I under another name: others may fire after it.', t.tgname,
			ownership.relation_name(n.nspname::text, c.relname::text), 'zzzz_ownership_' || part.name),
		format('ALTER TRIGGER %I ON %s RENAME TO %I', t.tgname,
			ownership.relation_name(n.nspname::text, c.relname::text), 'zzzz_ownership_' || part.name)
	FROM (VALUES ('amend', 'ownership.guard_amend()'::regprocedure), ('judge', 'ownership.guard_judge()'::regprocedure),
		('truncate', 'ownership.guard_truncate()'::regprocedure)) AS part(name, function)
	JOIN pg_catalog.pg_trigger t ON t.tgfoid = part.function AND t.tgname <> 'zzzz_ownership_' || part.name
	JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE t.tgparentid = 0
	UNION ALL
	/* names do not follow */
	SELECT 3, 'high', 'unguarded', NULL, NULL, NULL, NULL, '{}',
		format('Event trigger %I is disabled: tables that are created or renamed can lose their map and their guard.', e.evtname),
		format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', e.evtname)
	FROM pg_catalog.pg_event_trigger e
	WHERE e.evtfoid IN ('ownership.ddl_start()'::regprocedure, 'ownership.ddl_end()'::regprocedure, 'ownership.ddl_drop()'::regprocedure)
	  AND e.evtenabled <> 'A'
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, ownership.relation_name(f.former_schema, f.former_name), NULL, '{}',
		format('Table %1$s is not on the map: the map of that name followed its table, which is called %2$s now.',
			ownership.relation_name(f.former_schema, f.former_name), ownership.relation_name(f.table_schema, f.table_name)),
		format('If %1$s took its place, rename the row of %2$s in ownership.mirrored_table and guard it; else assign the columns of %1$s.',
			ownership.relation_name(f.former_schema, f.former_name), ownership.relation_name(f.table_schema, f.table_name))
	FROM ownership.former_table f
	JOIN ownership.mirrored_table m USING (table_schema, table_name)
	JOIN pg_catalog.pg_namespace n ON n.nspname = f.former_schema::name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = f.former_name::name AND c.relkind IN ('r', 'p', 'f')
	WHERE NOT EXISTS (SELECT FROM ownership.mirrored_table t
		WHERE t.table_schema = f.former_schema AND t.table_name = f.former_name)
	  AND EXISTS (SELECT FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace s ON s.oid = o.relnamespace
		WHERE s.nspname = f.table_schema::name AND o.relname = f.table_name::name AND o.relkind IN ('r', 'p', 'f'))
	UNION ALL
	/* its schema was dropped, or another one took the name after it was renamed */
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, CASE WHEN p.source IS NULL THEN '{}' ELSE ARRAY[p.source] END,
		format('Pattern %s is of schema %s, which is not in the database: no table comes under it.', p.pattern, split_part(p.pattern, '.', 1)),
		'If another schema took its place, name that one in ownership.mirrored_pattern; if it is gone for good, delete the row.'
	FROM ownership.mirrored_pattern p
	WHERE p.pattern ~ '^[^*?.]+\.'
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = split_part(p.pattern, '.', 1)::name)
	UNION ALL
	/* of a dump that was restored in part */
	SELECT 8, 'medium', 'broken_mirror', m.entity, m.field, ownership.relation_name(m.table_schema, m.table_name), m.column_name, '{}',
		format('Column %s of %s holds field %s.%s, which is not there.', m.column_name, ownership.relation_name(m.table_schema, m.table_name), m.entity, m.field),
		'Insert the field into ownership.field, or delete the column''s row from ownership.mirrored_column.'
	FROM ownership.mirrored_column m
	WHERE NOT EXISTS (SELECT FROM ownership.field f WHERE f.entity = m.entity AND f.name = m.field)
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, ARRAY[n.name],
		format('System %s is named in %s, but is not in ownership.system.', n.name, string_agg(DISTINCT 'ownership.' || n.place, ', ')),
		'Insert it into ownership.system, or correct what names it.'
	FROM (SELECT system, 'identity' FROM ownership.identity UNION ALL SELECT owner, 'field' FROM ownership.field
		UNION ALL SELECT system, 'declared_access' FROM ownership.declared_access
		UNION ALL SELECT source, 'mirrored_table' FROM ownership.mirrored_table
		UNION ALL SELECT owner, 'row_owner' FROM ownership.row_owner
		UNION ALL SELECT unnest(ARRAY[source, owner]), 'mirrored_pattern' FROM ownership.mirrored_pattern) AS n(name, place)
	WHERE n.name IS NOT NULL AND NOT EXISTS (SELECT FROM ownership.system s WHERE s.name = n.name)
	GROUP BY n.name
	UNION ALL
	SELECT 8, 'medium', 'broken_mirror', NULL, NULL, NULL, NULL, '{}',
		format('Domain %s has %s field%s, but is not in ownership.domain: its policy is not known.', f.domain, count(*), CASE count(*) WHEN 1 THEN '' ELSE 's' END),
		'Insert it into ownership.domain, or correct the fields.'
	FROM ownership.field f
	WHERE f.domain IS NOT NULL AND NOT EXISTS (SELECT FROM ownership.domain d WHERE d.name = f.domain)
	GROUP BY f.domain;

/* the guide: what it must not be sure of; see suggest.c for what is deleted, and for the raw forms of values */
UPDATE ownership.domain SET
	column_pattern = '^(?:_(?!(?:id|uuid|sku|key|token)$).*|(?:(?:.*_)?last_)?(?:created|updated|modified|changed|synced)(?:_(?:at|on|by(?:_.*)?|date|time|datetime|timestamp|ts|utc|gmt|user(?:_.*)?|from|via))*|(?:.*_)?date_(?:added|created|modified|updated)(?:_(?:utc|gmt))?|(?:.*_)?(?:created|updated|modified|added|uploaded|attached|inserted)_(?:at|on|by)|write_(?:date|uid)|sync.*|raw_(?:data|json|xml|html|payload|response|request|body|message|event|record|row|input|output|text|headers?)|metadata|sort_order|lft|rgt|lock_version|(?:.*_)?ip(?:_address)?|user_agent|accept_language)$|(?:{product}|{order}|categor(?:y|ies)|collections?|taxons?|attributes?|options?|media){part}\.position'
WHERE shipped AND name = 'technical';
UPDATE ownership.domain SET
	column_pattern = '(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|key|token|item_code|default_code|increment_id|display_id)$|[^.]*\.(?:[^.]*_)?(?:(?<!(?:vat|tax|gst|eori|duns|fiscal|national|passport)_)id|uuid|sku|item_code|default_code|increment_id|display_id)$',
	note = 'The system that creates the record owns its key: it decides which rows exist. So what marks a row as deleted or archived is its, too.'
WHERE shipped AND name = 'key';
UPDATE ownership.domain SET
	column_pattern = 'tax(?:es|able)?|vat|gst|hs_code|harmoni[sz]ed_system|customs|fiscal_position|(?:tax(?:es)?|vat){part}\.(?:{document}|{copies})'
WHERE shipped AND name = 'tax';
UPDATE ownership.domain SET
	column_pattern = 'stock(?:ed)?|qty|quantity|on_hand|reserved|allocated|reorder|incoming|(?<!track_)inventory|warehouse|lot|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\.(?:{document}|(?:[^.]*_)?count(?:ed)?)',
	table_pattern = '{product}|(?:stocks?|inventor(?:y|ies)(?!_items?)|warehouses?){part}\..*'
WHERE shipped AND name = 'stock';
UPDATE ownership.domain SET
	column_pattern = '(?<!(?:sort|display)_)order|grand_total|subtotal|amount_(?:untaxed|tax|total)|total_(?:due|paid|refunded)|freight|checkout|cart|quote|{order}{part}\.(?:{document}|{copies})'
WHERE shipped AND name = 'order';
UPDATE ownership.domain SET
	column_pattern = 'segment|customer_(?:group|type)|(?<!meta_)tags?|tier|lifecycle_stage|target_list|(?:segments?|customer_(?:groups?|types?))(?:_descriptions?|_translations?)?\.(?:name|title|description)'
WHERE shipped AND name = 'segment';
UPDATE ownership.domain SET
	column_pattern = '(?:e?mail|[a-z]*phone|mobile|fax)(?!(?:_[^.]*)?_(?:rating|score|counts?|templates?|sent|opened|clicked|bounced?))|(?:first|last)_?name|birth_?da(?:te|y)|dob|gender|company|contact_(?:name|person)|street|(?<!ip_)address_?\d?|city|zip(?:_?code)?|post(?:al)?_?code|province|region|country|(?:customers?|clients?|contacts?|persons?|people|accounts?)\.(?:name|salutation|title)|leads?\.(?:name|salutation)'
WHERE shipped AND name = 'identity';
