CREATE FUNCTION ownership.import_sheet(csv text, dry_run boolean DEFAULT true, OUT line integer, OUT field text, OUT change text, OUT problem text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_import_sheet' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.import_sheet(text, boolean) IS
'Imports a spreadsheet of fields in the form in which people keep it: columns by their headers, in any order. It first returns every problem of the whole file. While there is a problem, it imports nothing.
Arguments:
- csv: Text of the file, separated by comma, semicolon or tab.
- dry_run: true, the default: the function reports problems and changes, and changes nothing.
Returns one row for each problem, then one row for each change:
- line: Line of the file at which the row begins.
- field: The field, as entity.name.
- change: What changes, such as owner: crm -> erp. NULL: the row is a problem.
- problem: What is wrong. NULL: the row is a change.';
