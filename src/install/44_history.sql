/*
 * The history of the map.  No other table contains it, so pg_dump includes it.
 */
CREATE TABLE ownership.map_history (
	id					bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	changed_at			timestamptz NOT NULL,
	role				text,
	login				text,
	application_name	text,
	map_table			text NOT NULL,
	item				text NOT NULL,
	entity				text,
	field				text,
	old					jsonb,
	new					jsonb
);
COMMENT ON TABLE ownership.map_history IS 'The changes of the map and of guards. One row is one changed row of a table of the map.';
COMMENT ON COLUMN ownership.map_history.id IS 'Number of the change.';
COMMENT ON COLUMN ownership.map_history.changed_at IS 'Time at which the transaction began. All changes of one transaction have the same time.';
COMMENT ON COLUMN ownership.map_history.role IS 'Role that made the change, as SET ROLE left it.';
COMMENT ON COLUMN ownership.map_history.login IS 'Role that the session was authorised as.';
COMMENT ON COLUMN ownership.map_history.application_name IS 'Setting application_name of the session.';
COMMENT ON COLUMN ownership.map_history.map_table IS 'Table of the map, without its schema. The value guard: the guard of a table was taken away or came back.';
COMMENT ON COLUMN ownership.map_history.item IS 'Name of what the row is about, after the change: a system, a field, a table, a column.';
COMMENT ON COLUMN ownership.map_history.entity IS 'Entity of the field, where the change is about a field.';
COMMENT ON COLUMN ownership.map_history.field IS 'Name of the field, where the change is about a field.';
COMMENT ON COLUMN ownership.map_history.old IS 'Values of the changed columns before the change. NULL: the row is new.';
COMMENT ON COLUMN ownership.map_history.new IS 'Values of the changed columns after the change. NULL: the row was deleted.';

CREATE FUNCTION ownership.map_recorded() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_map_recorded' LANGUAGE C;
COMMENT ON FUNCTION ownership.map_recorded() IS 'Trigger on the tables of the map: writes ownership.map_history.';
/* on a role's own table it would write into the history whatever that role likes */
REVOKE EXECUTE ON FUNCTION ownership.map_recorded() FROM PUBLIC;

CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.system
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.system
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.system ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.system ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.identity
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.identity
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.identity ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.identity ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.domain
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.domain
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.domain ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.field
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.field
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.field ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.field ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.declared_access
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.declared_access
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.declared_access ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.declared_access ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.mirrored_table
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.mirrored_table
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.mirrored_table ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.mirrored_column
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.mirrored_column
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.mirrored_column ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.mirrored_column ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.row_owner
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.row_owner
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.row_owner ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.row_owner ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.pin
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.pin
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.pin ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.pin ENABLE ALWAYS TRIGGER history_truncate;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON ownership.handover
	FOR EACH ROW EXECUTE FUNCTION ownership.map_recorded();
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON ownership.handover
	FOR EACH STATEMENT EXECUTE FUNCTION ownership.map_recorded();
ALTER TABLE ownership.handover ENABLE ALWAYS TRIGGER history;
ALTER TABLE ownership.handover ENABLE ALWAYS TRIGGER history_truncate;

SELECT pg_catalog.pg_extension_config_dump('ownership.map_history', '');
SELECT pg_catalog.pg_extension_config_dump('ownership.map_history_id_seq', '');

/*
 * The history for people: one row for each decision, however many fields it is
 * about.  Putting columns on the map without more is no decision.
 */
CREATE VIEW ownership.decisions WITH (security_invoker = true) AS
WITH told AS (
	SELECT h.id, h.changed_at, h.role, h.login, h.application_name, h.map_table,
		CASE WHEN h.entity IS NULL THEN h.item ELSE h.entity || '.' || h.field END AS item, t.decided, t.old, t.new
	FROM ownership.map_history h
	CROSS JOIN LATERAL (
		SELECT CASE
				WHEN h.map_table = 'declared_access' THEN CASE coalesce(h.new, h.old) ->> 'mode' WHEN 'read' THEN 'reader' ELSE 'writer' END
				WHEN h.map_table = 'row_owner' THEN 'row owner' || coalesce(' where ' || (coalesce(h.new, h.old) ->> 'row_filter'), '')
				WHEN h.map_table = 'handover' THEN 'handover ' || CASE WHEN h.new IS NULL THEN 'cancelled, ' ELSE '' END || 'at ' || (coalesce(h.new, h.old) ->> 'at')
				WHEN h.map_table = 'system' AND k = 'kind' THEN 'system'
				WHEN h.map_table = 'identity' AND k = 'system' THEN 'writes as'
				WHEN k = 'owner' THEN 'owner'
				ELSE replace(h.map_table, '_', ' ') || ' ' || k END AS decided,
			/* the owner of a new or deleted row of row_owner may be NULL */
			CASE WHEN h.map_table = 'handover' AND h.old IS NULL THEN h.new ->> 'from_system'
				ELSE h.old ->> CASE WHEN h.map_table = 'row_owner' AND h.new IS NULL THEN 'owner' ELSE k END END AS old,
			h.new ->> CASE WHEN h.map_table = 'row_owner' AND h.old IS NULL THEN 'owner' ELSE k END AS new
		/* an array, because the planner expects few rows from one */
		FROM unnest(ARRAY(SELECT jsonb_object_keys(coalesce(h.new, h.old)))) k
		WHERE CASE h.map_table
			WHEN 'declared_access' THEN k = 'system'
			WHEN 'row_owner' THEN k = 'owner' OR (k = 'row_filter' AND NOT coalesce(h.new, h.old) ? 'owner')
			WHEN 'mirrored_column' THEN k = 'authoritative'
			WHEN 'guard' THEN k = 'state'
			/* when it passes, the owner is a decision of its own */
			WHEN 'handover' THEN k = 'to_system' AND (h.old IS NULL OR h.new IS NULL) AND NOT coalesce(h.new, h.old) ? 'done_at'
			WHEN 'system' THEN k = 'kind' OR (h.old IS NOT NULL AND h.new IS NOT NULL)
			ELSE k NOT IN ('decided_by', 'decided_on', 'key', 'shipped') END
		  /* empty lists of a new or deleted row are no decision */
		  AND NOT ((h.old IS NULL OR h.new IS NULL) AND coalesce(h.new, h.old) ->> k = '{}')
		UNION ALL
		SELECT 'off the map', h.item, NULL
		WHERE h.map_table IN ('field', 'system', 'domain') AND h.new IS NULL AND h.old - '{key,decided_by,decided_on}'::text[] = '{}'
	) t
)
SELECT changed_at, role, login, application_name, decided, old, new,
	count(*) AS items,
	(array_agg(item ORDER BY item COLLATE "C"))[:5] AS sample,
	min(id) AS first_id
FROM told
GROUP BY changed_at, role, login, application_name, map_table, decided, old, new
ORDER BY changed_at, min(id);
COMMENT ON VIEW ownership.decisions IS 'The history of the map for people. One row is one decision, for however many fields it was made. The view shows it to roles that may read ownership.map_history.';
COMMENT ON COLUMN ownership.decisions.changed_at IS 'Time at which the transaction of the decision began.';
COMMENT ON COLUMN ownership.decisions.role IS 'Role that made the decision, as SET ROLE left it.';
COMMENT ON COLUMN ownership.decisions.login IS 'Role that the session was authorised as.';
COMMENT ON COLUMN ownership.decisions.application_name IS 'Setting application_name of the session.';
COMMENT ON COLUMN ownership.decisions.decided IS 'What was decided on: owner, reader, writer, field policy, row owner, guard state and others.';
COMMENT ON COLUMN ownership.decisions.old IS 'Value before the decision. NULL: none.';
COMMENT ON COLUMN ownership.decisions.new IS 'Value after the decision. NULL: none.';
COMMENT ON COLUMN ownership.decisions.items IS 'Number of fields, tables or other things that the decision is about.';
COMMENT ON COLUMN ownership.decisions.sample IS 'Names of the first five of them.';
COMMENT ON COLUMN ownership.decisions.first_id IS 'Number of the first change of the decision in ownership.map_history.';

/* not on map_history, which contains roles and applications of others; through the view, only roles that may read it see it */
GRANT SELECT ON ownership.decisions TO PUBLIC;
