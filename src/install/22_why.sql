/*
 * "Why did my price not arrive?"
 */
CREATE FUNCTION ownership.why(field_or_column text, row_key jsonb, OUT at timestamptz, OUT place text, OUT event text, OUT system text, OUT value text, OUT detail text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_why' LANGUAGE C STABLE STRICT ROWS 20
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.why(text, jsonb) IS
'Reports what happened to one value: the value in every copy, the evidence and history, the rules, the last writes, the state of the feeds, and a short answer. It reads with the privileges of the caller.
Arguments:
- field_or_column: A field as entity.name, or a column as schema.table.column.
- row_key: Key of the row, as an object with names and values: the key fields of the entity, or, with a column, the columns that identify a row of its table.
Returns one row for each fact, the short answer first:
- at: Time of the fact. NULL: not known.
- place: The field, the column or the table that the fact is about.
- event: answer, value, no row, unknown, rule, last write, feed, the outcome of a conflict, or written: a change in ownership.history. For a value that waited also applied, superseded, accepted or dismissed; not applied: it waits, although the row is there.
- system: System that the fact is about. NULL: none, or unidentified.
- value: For value: the stored value. For a conflict: the proposed value; for remembered: the value of the deleted row. For written: the new value. For rule: the outcome that the rule gives. For feed: the state of the subscription; standby: the server is one, and its primary has the worker.
- detail: The fact in words.';

CREATE FUNCTION ownership.impact(field text, OUT kind text, OUT object text, OUT depth integer, OUT detail text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_impact' LANGUAGE C STABLE STRICT ROWS 20;
COMMENT ON FUNCTION ownership.impact(text) IS
'Returns what reads a field by definition, to any depth, and the systems that read it: what breaks if it changes? The function reads definitions, not rows, and stores nothing.
Arguments:
- field: The field, as entity.name, or a column, as table.column or schema.table.column; the column need not be on the map.
Returns one row for each object, in no particular order. Functions whose body PostgreSQL does not parse are known by the words in it only: they "may read it".
- kind: system, view, materialized view, rule, generated column, default, constraint, index, statistics, policy, trigger, publication, row filter (of the map), partition key, foreign table, function or procedure.
- object: Name of the object, with its schema unless that is public.
- depth: 1: it reads the field itself. 2: it reads something of depth 1, and so on.
- detail: How it reads it, and through what.';
