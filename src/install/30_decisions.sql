/*
 * Decisions on evidence.  The functions run with the caller's privileges, and
 * without a search_path of their own, because the triggers of the tables that
 * they write may need the caller's; they qualify names instead.
 */
CREATE FUNCTION ownership.resolve() RETURNS trigger
AS 'MODULE_PATHNAME', 'ownership_resolve' LANGUAGE C;
COMMENT ON FUNCTION ownership.resolve() IS 'Trigger on ownership.conflict: says who resolved it, and when';
/* it is for the trigger that follows, and no other */
REVOKE ALL ON FUNCTION ownership.resolve() FROM PUBLIC;
CREATE TRIGGER resolve BEFORE UPDATE ON ownership.conflict
	FOR EACH ROW EXECUTE FUNCTION ownership.resolve();

CREATE FUNCTION ownership.accept(conflict_id bigint)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_accept' LANGUAGE C STRICT;
COMMENT ON FUNCTION ownership.accept(bigint) IS 'Writes a refused value, or creates or deletes a row as was refused, and marks the conflict accepted';

CREATE FUNCTION ownership.accept(conflict_ids bigint[])
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_accept_set' LANGUAGE C STRICT;
COMMENT ON FUNCTION ownership.accept(bigint[]) IS 'The same for several, all or none; returns how many';

CREATE FUNCTION ownership.dismiss(conflict_id bigint)
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_dismiss' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.dismiss(bigint) IS 'Marks a conflict dismissed: what is stored stays';

CREATE FUNCTION ownership.dismiss(conflict_ids bigint[])
RETURNS bigint AS 'MODULE_PATHNAME', 'ownership_dismiss_set' LANGUAGE C STRICT
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.dismiss(bigint[]) IS 'The same for several, all or none; returns how many';

CREATE FUNCTION ownership.disagreement(OUT conflict_id bigint, OUT recorded_at timestamptz, OUT table_schema text, OUT table_name text,
	OUT row_key jsonb, OUT column_name text, OUT system text, OUT role text, OUT operation text, OUT outcome text,
	OUT refused text, OUT stored text, OUT note text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_disagreement' LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION ownership.disagreement() IS 'For the view disagreements';

CREATE VIEW ownership.disagreements AS
SELECT d.conflict_id, d.recorded_at, ownership.relation_name(d.table_schema, d.table_name) AS relation, d.row_key, d.column_name,
	m.entity, m.field, f.owner, d.system, d.role, d.operation, d.outcome, d.refused, d.stored, d.note, d.table_schema, d.table_name
FROM ownership.disagreement() d
LEFT JOIN ownership.mirrored_column m ON m.table_schema = d.table_schema AND m.table_name = d.table_name AND m.column_name = d.column_name
LEFT JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field
ORDER BY d.table_schema COLLATE "C", d.table_name COLLATE "C", d.row_key, d.column_name COLLATE "C", d.conflict_id;
COMMENT ON VIEW ownership.disagreements IS 'The latest refused value of each row, column and system that still differs from what is stored';
COMMENT ON COLUMN ownership.disagreements.column_name IS 'NULL: the row as a whole was to be created or deleted';
COMMENT ON COLUMN ownership.disagreements.refused IS 'As text output; accept() writes it';
COMMENT ON COLUMN ownership.disagreements.note IS 'What else there is to know, such as why the stored value is not shown';

/* reads evidence and data as its caller: who may read neither sees nothing */
GRANT SELECT ON ownership.disagreements TO PUBLIC;

CREATE FUNCTION ownership.revert(system text, since timestamptz, until timestamptz DEFAULT now(), dry_run boolean DEFAULT true,
	OUT relation text, OUT row_key jsonb, OUT column_name text, OUT from_value text, OUT to_value text, OUT outcome text, OUT reason text, OUT conflict_id bigint)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_revert' LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION ownership.revert(text, timestamptz, timestamptz, boolean) IS 'Puts the values before a system''s writes back where they are still there, and tells what it did, or would do';
