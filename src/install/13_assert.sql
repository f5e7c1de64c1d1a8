/* It reads ownership.risks, which a later part creates. */
CREATE FUNCTION ownership.assert_clean(severity text DEFAULT 'high')
RETURNS void AS 'MODULE_PATHNAME', 'ownership_assert_clean' LANGUAGE C
SET search_path = pg_catalog, pg_temp
SET jit = off;
COMMENT ON FUNCTION ownership.assert_clean(text) IS
'Fails with SQLSTATE P0004 when a risk of this severity or a higher one is open. It is for deployment pipelines.
Arguments:
- severity: Lowest severity that makes it fail: high, medium or low. Default: high.
Returns nothing.';
