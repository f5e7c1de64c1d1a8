CREATE FUNCTION ownership.import_sheet(csv text, dry_run boolean DEFAULT true, OUT line integer, OUT field text, OUT change text, OUT problem text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_import_sheet' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.import_sheet(text, boolean) IS 'Imports the spreadsheet as people keep it: tells every problem with its line, then what changes; a dry run changes nothing';
