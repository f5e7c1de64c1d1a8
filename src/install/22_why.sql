/*
 * "Why did my price not arrive?"
 */
CREATE FUNCTION ownership.why(field_or_column text, row_key jsonb, OUT at timestamptz, OUT place text, OUT event text, OUT system text, OUT value text, OUT detail text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_why' LANGUAGE C STABLE STRICT ROWS 20
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.why(text, jsonb) IS 'What happened to one value: the value in every copy, refused attempts, the rules, the last writes, the state of the feeds, and an answer in short';
