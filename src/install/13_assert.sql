/* It looks at ownership.risks when it is called. */
CREATE FUNCTION ownership.assert_clean(severity text DEFAULT 'high')
RETURNS void AS 'MODULE_PATHNAME', 'ownership_assert_clean' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.assert_clean(text) IS 'Fails when a risk of that severity or a higher one is open';
