-- The spreadsheet: import through COPY into ownership.sheet, and export.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE TABLE product (id int PRIMARY KEY, sku text, price numeric, title text);
CREATE SCHEMA shop;
CREATE TABLE shop."Order Line" (id int PRIMARY KEY, "Unit Price" numeric, "a;b" text, "say ""x""" text);
INSERT INTO ownership.system (name, kind) VALUES ('crm', 'crm'), ('erp', 'erp'), ('pim', 'pim'), ('shop', 'storefront'), ('big data', 'bi');
RESET client_min_messages;

-- the import names its columns in a header; any cell may be blank
COPY ownership.sheet FROM stdin WITH (FORMAT csv, HEADER match);
entity,field,domain,owner,readers,writers,columns,policy,key,local,rationale,decided_by,decided_on,label
product,id,,erp,,,product.id,,t,f,,,,
product,sku,,erp,crm; pim; shop,,product.sku,reject,,,"The ERP numbers, nobody else",Ada,2024-02-29,"Article no., ""SKU"""
product,price,price,erp,shop,crm;pim,"product.price; shop.""Order Line"".""Unit Price""",keep,false,false,,,,
product,title,content,pim,erp;big data,,,,,,,,, Name in the shop 
product,weight,,?,,,,,,,,,,
product,colour,,TBD,,pim,,,,,,,,
product,size,, both ,,,,,,,,,,
product,brand,,"erp; pim",,crm,,,,,,,,
product,origin,,"Both; erp",,,,,,,,,,
product,note,,,,,,,,TRUE,"  indented, and ends with a line
",,infinity,
"order line",a,,shop,,,"shop.""Order Line"".""a;b""; shop.""Order Line"".""say """"x""""""; nowhere.gone.a",,,,,,,
\.
-- Owners.  A blank cell, ?, TBD and both are nobody; what a cell without owner
-- names, writes.  "note" is local.
SET datestyle = iso;
SELECT entity, name, domain, owner, policy, key, local, rationale, decided_by, decided_on, label FROM ownership.field ORDER BY entity COLLATE "C", name COLLATE "C";
SELECT entity, field, mode, string_agg(system, ', ' ORDER BY system COLLATE "C") AS systems FROM ownership.declared_access GROUP BY entity, field, mode ORDER BY entity COLLATE "C", field COLLATE "C", mode;
-- Columns.  Without a list a new field is the column that it is by default
-- (product.title), if that is there (product.weight is not).  Identifiers are
-- quoted as in SQL; tables may be absent.
SELECT table_schema, table_name, column_name, entity, field FROM ownership.mirrored_column ORDER BY table_schema COLLATE "C", table_name COLLATE "C", column_name COLLATE "C";
SELECT table_schema, table_name, source FROM ownership.mirrored_table ORDER BY table_schema COLLATE "C", table_name COLLATE "C";
-- rows put into the map never create triggers
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('product'::regclass, 'shop."Order Line"'::regclass) AND NOT tgisinternal;

-- the export
COPY (TABLE ownership.sheet) TO stdout WITH (FORMAT csv, HEADER);

-- A round trip changes nothing: the export is imported, and exported again.
-- Not even a row of the map is written, and what the sheet does not show stays.
UPDATE ownership.field SET on_blank = 'keep', history = true, match_key = true, column_group = 'g', fresh_within = '1 day' WHERE name = 'sku';
CREATE FUNCTION versions() RETURNS text LANGUAGE sql SET datestyle = iso AS $$
	SELECT md5(concat(
		(SELECT string_agg(xmin || '.' || ctid::text || f::text, '|' ORDER BY ctid) FROM ownership.field f),
		(SELECT string_agg(xmin || '.' || ctid::text || a::text, '|' ORDER BY ctid) FROM ownership.declared_access a),
		(SELECT string_agg(xmin || '.' || ctid::text || t::text, '|' ORDER BY ctid) FROM ownership.mirrored_table t),
		(SELECT string_agg(xmin || '.' || ctid::text || c::text, '|' ORDER BY ctid) FROM ownership.mirrored_column c),
		(SELECT string_agg(xmin || '.' || ctid::text || d::text, '|' ORDER BY ctid) FROM ownership.domain d),
		(SELECT string_agg(xmin || '.' || ctid::text || s::text, '|' ORDER BY ctid) FROM ownership.system s)))
$$;
SELECT versions() AS before \gset
SELECT format('/tmp/ownership_sheet.%s.csv', pg_backend_pid()) AS file \gset
SELECT format('COPY (TABLE ownership.sheet) TO %L WITH (FORMAT csv, HEADER)', :'file') AS export,
	format('COPY ownership.sheet FROM %L WITH (FORMAT csv, HEADER match)', :'file') AS import \gset
:export;
SELECT md5(pg_read_file(:'file')) AS first \gset
:import;
SELECT versions() = :'before' AS nothing_written;
:export;
SELECT md5(pg_read_file(:'file')) = :'first' AS byte_equal;
-- into an empty map, too: the sheet holds all that it shows
BEGIN;
TRUNCATE ownership.field, ownership.declared_access, ownership.mirrored_column, ownership.mirrored_table, ownership.row_owner;
:import;
:export;
SELECT md5(pg_read_file(:'file')) = :'first' AS byte_equal;
ROLLBACK;
-- the file does not depend on the session's DateStyle
SET datestyle = 'German, DMY';
:export;
SELECT md5(pg_read_file(:'file')) = :'first' AS byte_equal;
SET datestyle = 'SQL, MDY';
:import;
SELECT versions() = :'before' AS nothing_written;
SET datestyle = iso;
-- a field that has lost its columns does not get them back
BEGIN;
DELETE FROM ownership.mirrored_column WHERE entity = 'product';
:export;
:import;
SELECT count(*) FROM ownership.mirrored_column WHERE entity = 'product';
ROLLBACK;
-- A file of an older version has no labels: COPY refuses it, import_sheet() leaves them.
\set VERBOSITY terse
COPY ownership.sheet FROM stdin WITH (FORMAT csv, HEADER match);
entity,field,domain,owner,readers,writers,columns,policy,key,local,rationale,decided_by,decided_on
product,title,content,pim,erp;big data,,,,,,,,
\.
\set VERBOSITY default
SELECT * FROM ownership.import_sheet(E'entity,field,domain,owner,readers,writers,columns,policy,key,local,rationale,decided_by,decided_on\nproduct,title,content,pim,erp;big data,,,,,,,,\n', dry_run => false);
SELECT versions() = :'before' AS nothing_written;
BEGIN;
SELECT * FROM ownership.import_sheet(E'field,Display name\nproduct.title,Title\nproduct.sku,\nproduct.new,New\n', dry_run => false);
SELECT name, label FROM ownership.field WHERE entity = 'product' AND label IS NOT NULL ORDER BY name COLLATE "C";
SELECT on_blank, history, match_key, column_group, fresh_within FROM ownership.field WHERE name = 'sku';
ROLLBACK;
-- psql's \copy is the same
\copy (TABLE ownership.sheet) to program 'cat > /tmp/ownership_sheet.$PPID.csv' with (format csv, header)
\copy ownership.sheet from program 'cat /tmp/ownership_sheet.$PPID.csv; rm /tmp/ownership_sheet.$PPID.csv' with (format csv, header match)
SELECT versions() = :'before' AS nothing_written;

-- A row replaces the field of that name: what is blank now goes.  A blank
-- list of columns leaves them.
COPY ownership.sheet (entity, field, owner, readers) FROM stdin WITH (FORMAT csv, HEADER match);
entity,field,owner,readers
product,sku,pim,erp
product,price,,erp
\.
SELECT entity, field, domain, owner, readers, writers, columns, policy, key, local, rationale, decided_by, decided_on FROM ownership.sheet WHERE entity = 'product' AND field IN ('sku', 'price');
-- a list of columns replaces the list
INSERT INTO ownership.sheet (entity, field, domain, owner, columns, policy) VALUES ('product', 'price', 'price', 'erp', 'shop."Order Line"."Unit Price"', 'keep');
SELECT columns FROM ownership.sheet WHERE entity = 'product' AND field = 'price';
SELECT relation, column_name FROM ownership.unmapped;
-- a name given twice counts once; who is not named any longer goes
BEGIN;
INSERT INTO ownership.sheet (entity, field, owner, readers, columns) VALUES ('twice', 'x', 'erp', 'crm; crm; shop', 'a.b; a.b; a.c');
INSERT INTO ownership.sheet (entity, field, owner, readers, columns) VALUES ('twice', 'x', 'erp', 'shop; pim; shop', 'a.b; a.b');
SELECT readers, columns FROM ownership.sheet WHERE entity = 'twice';
ROLLBACK;
-- the first of several is not the authoritative one by itself; it is listed first when it is
UPDATE ownership.mirrored_column SET authoritative = true WHERE column_name = 'say "x"';
SELECT columns FROM ownership.sheet WHERE entity = 'order line';
-- which an import leaves as it is
INSERT INTO ownership.sheet (entity, field, owner, columns) SELECT entity, field, owner, columns FROM ownership.sheet WHERE entity = 'order line';
SELECT column_name, authoritative FROM ownership.mirrored_column WHERE entity = 'order line' ORDER BY column_name COLLATE "C";
-- the columns of a field of its own join another field; that one goes with its last column
INSERT INTO ownership.sheet (entity, field, owner, columns) VALUES ('article', 'sku', 'erp', 'product.sku');
SELECT entity, field, owner, columns FROM ownership.sheet WHERE field = 'sku';
-- a local field is no gap, one without owner is
SELECT severity, risk, entity, field, systems FROM ownership.risks WHERE risk IN ('unowned', 'contested') AND field IN ('note', 'origin', 'brand');

-- Rows that are wrong.  The error names entity and field, the whole import
-- fails, and nothing is changed: each follows a row that is right.
SELECT versions() AS before \gset
\set VERBOSITY default
\set SHOW_CONTEXT never
-- an unknown system: owner, reader, writer
COPY ownership.sheet (entity, field, owner, readers, writers) FROM stdin WITH (FORMAT csv);
product,right,erp,,
product,wrong,epr,,
\.
COPY ownership.sheet (entity, field, owner, readers, writers) FROM stdin WITH (FORMAT csv);
product,right,erp,,
product,wrong,"erp;pmi",,
\.
COPY ownership.sheet (entity, field, owner, readers, writers) FROM stdin WITH (FORMAT csv);
product,right,erp,,
product,wrong,erp,crm; salesforce,
\.
COPY ownership.sheet (entity, field, owner, readers, writers) FROM stdin WITH (FORMAT csv);
product,right,erp,,
product,wrong,erp,crm,CRM
\.
-- an unknown domain and policy
COPY ownership.sheet (entity, field, owner, domain, policy) FROM stdin WITH (FORMAT csv);
product,right,erp,price,
product,wrong,erp,prise,
\.
COPY ownership.sheet (entity, field, owner, domain, policy) FROM stdin WITH (FORMAT csv);
product,right,erp,,keep
product,wrong,erp,,Keep
\.
-- names: blank, with a dot
COPY ownership.sheet (entity, field, owner) FROM stdin WITH (FORMAT csv);
product,right,erp
product,,erp
\.
COPY ownership.sheet (entity, field, owner) FROM stdin WITH (FORMAT csv);
product,right,erp
  ,wrong,erp
\.
COPY ownership.sheet (entity, field, owner) FROM stdin WITH (FORMAT csv);
product,right,erp
product,net.price,erp
\.
-- columns: malformed, of another field, given twice
COPY ownership.sheet (entity, field, columns) FROM stdin WITH (FORMAT csv);
product,right,a.b
product,wrong,price
\.
COPY ownership.sheet (entity, field, columns) FROM stdin WITH (FORMAT csv);
product,right,a.b
product,wrong,"shop.""Order"
\.
COPY ownership.sheet (entity, field, columns) FROM stdin WITH (FORMAT csv);
product,right,a.b
product,wrong,a.b.c.d
\.
COPY ownership.sheet (entity, field, columns) FROM stdin WITH (FORMAT csv);
product,right,a.b
product,wrong,product.sku
\.
COPY ownership.sheet (entity, field, columns) FROM stdin WITH (FORMAT csv);
product,right,a.b
product,wrong,a.b
\.
-- values that are none of their type
COPY ownership.sheet (entity, field, key) FROM stdin WITH (FORMAT csv);
product,right,t
product,wrong,maybe
\.
COPY ownership.sheet (entity, field, decided_on) FROM stdin WITH (FORMAT csv);
product,right,2024-02-29
product,wrong,2023-02-29
\.
-- a header that does not match
COPY ownership.sheet FROM stdin WITH (FORMAT csv, HEADER match);
entity,field,owner
product,wrong,erp
\.
COPY ownership.sheet (entity, field, owner) FROM stdin WITH (FORMAT csv, HEADER match);
entity,feld,owner
product,wrong,erp
\.
-- one row of INSERT, the same
INSERT INTO ownership.sheet (entity, field, owner) VALUES ('product', 'right', 'erp'), ('product', 'wrong', 'epr');
\set VERBOSITY terse
SELECT versions() = :'before' AS nothing_written;

-- What the database has otherwise than the sheet says is no error but a risk:
-- the sheet may be of another database, or older.
INSERT INTO ownership.sheet (entity, field, columns) VALUES ('product', 'x', 'product.ctid'), ('product', 'y', 'product.prize'), ('product', 'z', 'pg_views.viewname');
SELECT severity, risk, relation, column_name, detail FROM ownership.risks WHERE risk = 'broken_mirror' AND relation <> 'nowhere.gone';

-- Importing a sheet needs no ownership of the tables, but the privilege to
-- edit the map.
CREATE ROLE regress_planner;
GRANT INSERT ON ownership.sheet TO regress_planner;
SET ROLE regress_planner;
INSERT INTO ownership.sheet (entity, field, owner) VALUES ('product', 'title', 'erp');
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE ON ownership.field, ownership.declared_access, ownership.mirrored_column, ownership.mirrored_table TO regress_planner;
SET ROLE regress_planner;
INSERT INTO ownership.sheet (entity, field, owner) VALUES ('product', 'title', 'erp');
RESET ROLE;
SELECT owner FROM ownership.field WHERE (entity, name) = ('product', 'title');

SELECT format('COPY (SELECT) TO PROGRAM %L', 'cat; rm ' || :'file') AS remove \gset
:remove;
DROP EXTENSION ownership CASCADE;
DROP OWNED BY regress_planner;
DROP ROLE regress_planner;
DROP TABLE product;
DROP SCHEMA shop CASCADE;
DROP FUNCTION versions;
