/* The spreadsheet: what comes out of a workshop, and what goes into it. */
CREATE FUNCTION ownership.import_sheet(csv text, dry_run boolean DEFAULT true, entity text DEFAULT NULL, OUT line integer, OUT field text, OUT change text, OUT problem text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_import_sheet' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.import_sheet(text, boolean, text) IS
'Imports a spreadsheet of fields in the form in which people keep it: columns by their headers, in any order. It first returns every problem of the whole file. While there is a problem, it imports nothing.
Arguments:
- csv: Text of the file: separated by comma, semicolon, tab or |, or the tables of a text in Markdown or HTML.
- dry_run: true, the default: the function reports problems and changes, and changes nothing.
- entity: Entity of the fields for which the file names none. NULL, the default: none.
Returns one row for each problem, then one row for each change:
- line: Line of the file at which the row begins.
- field: The field, as entity.name.
- change: What changes, such as owner: crm -> erp, or how the function took something in the file, such as a header that it does not know. NULL: the row is a problem.
- problem: What is wrong, beginning with the header of the cell. NULL: the row is a change.';

CREATE FUNCTION ownership.import_sheet(csv bytea, dry_run boolean DEFAULT true, entity text DEFAULT NULL, OUT line integer, OUT field text, OUT change text, OUT problem text)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'ownership_import_sheet' LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ownership.import_sheet(bytea, boolean, text) IS
'The same for the bytes of a file in UTF-8, UTF-16 or Windows-1252, whatever the encoding of the client and of the database.
Arguments:
- csv: The bytes of the file.
- dry_run: true, the default: the function reports problems and changes, and changes nothing.
- entity: Entity of the fields for which the file names none. NULL, the default: none.
Returns one row for each problem, then one row for each change:
- line: Line of the file at which the row begins.
- field: The field, as entity.name.
- change: What changes, or how the function took something in the file. NULL: the row is a problem.
- problem: What is wrong, beginning with the header of the cell. NULL: the row is a change.';
