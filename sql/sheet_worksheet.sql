-- worksheet(): what a workshop must decide on; and fields that no column contains.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
SELECT * FROM ownership.worksheet();
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm'), ownership.add_system('pim', 'pim');
CREATE SCHEMA landing;
CREATE TABLE landing.item (id int PRIMARY KEY, sku text, price numeric, color text, secret text);
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, stock int, secret text, note text);
INSERT INTO product SELECT 'S' || i, i * 1.5, repeat('Title ' || i, 10), i % 7, 'confidential', CASE WHEN i = 2 THEN ' ' END FROM generate_series(1, 500) i;
INSERT INTO landing.item SELECT i, 'S' || i, i, 'red', 'confidential' FROM generate_series(1, 10) i;
SELECT ownership.add_tables('landing.*', source => 'erp');
-- what the source owns by default is nobody's decision, and no question while nobody else has to do with it
SELECT entity, field FROM ownership.worksheet();
SELECT ownership.assign('product', NULL, NULL);
SELECT ownership.link('product.price', '{landing.item.price, product.price}', authoritative => 'product.price');
UPDATE ownership.field SET sensitive = true WHERE name = 'secret';
UPDATE ownership.field SET local = true WHERE name = 'note';
INSERT INTO ownership.field (entity, name, label) VALUES ('product', 'Ti tle', NULL), ('product', 'stokc', NULL), ('item', 'Color', NULL), ('thing', 'x', 'Stock'), ('thing', 'nowhere', NULL), ('thing', 'local', NULL);
UPDATE ownership.field SET local = true WHERE name = 'local';
INSERT INTO ownership.declared_access VALUES ('landing.item', 'color', 'pim', 'read');
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes) VALUES ('public', 'product', 'title', 'pim', 3, 10),
	('public', 'product', 'title', 'crm', 100, 2), ('public', 'product', 'title', NULL, 1, 1), ('landing', 'item', 'color', 'erp', 0, 5);
-- shared and linked fields first, of them what is in dispute
SELECT entity, field, owner, suggestion, reason, seen_readers, seen_writers, samples FROM ownership.worksheet();
SELECT entity, field, owner, readers, writers, columns, policy, key, local, label FROM ownership.worksheet('product', 'all');
SELECT entity, field FROM ownership.worksheet('*', 'contested');
SELECT entity, field FROM ownership.worksheet('*', "only" => 'crossing');
-- tables or fields
SELECT count(*), count(*) FILTER (WHERE samples IS NULL) AS without FROM ownership.worksheet('*', 'all');
SELECT entity, field FROM ownership.worksheet('landing.*', 'all') ORDER BY entity COLLATE "C", field COLLATE "C";
SELECT entity, field FROM ownership.worksheet('product.t*', 'all') ORDER BY entity COLLATE "C", field COLLATE "C";
SELECT * FROM ownership.worksheet('nothing.*', 'all');
SELECT ownership.worksheet('*', 'some');
SELECT ownership.worksheet(NULL);
-- by default of the source, or decided: the reason and the matrix say which
SELECT entity, field, owner, reason FROM ownership.worksheet('landing.*', 'all') ORDER BY entity COLLATE "C", field COLLATE "C";
SELECT entity, field, owner, systems FROM ownership.matrix WHERE entity = 'landing.item';
-- of several sources, or of a table without one, an owner is decided; of tables of one source it is not
BEGIN;
CREATE TABLE landing.price (id int PRIMARY KEY, note text, color text);
CREATE TABLE landing.shade (id int PRIMARY KEY, color text);
SELECT ownership.add_tables('landing.price', source => 'erp'), ownership.add_tables('landing.shade', source => 'pim');
SELECT ownership.link('offer.one', '{landing.price.color, landing.item.color}'), ownership.link('offer.two', '{landing.price.note, landing.shade.color}'), ownership.link('offer.shared', '{landing.item.sku, product.sku}');
SELECT entity, field, owner, systems FROM ownership.matrix WHERE entity = 'offer';
SELECT entity, field FROM ownership.worksheet('offer.*');
UPDATE ownership.field SET decided_on = '2024-03-01' WHERE (entity, name) = ('offer', 'one');
SELECT entity, field, owner, systems FROM ownership.matrix WHERE entity = 'offer' AND field = 'one';
SELECT entity, field FROM ownership.worksheet('offer.*');
ROLLBACK;
-- a decision takes it from the list
UPDATE ownership.field SET rationale = 'as in the catalogue' WHERE (entity, name) = ('landing.item', 'color');
SELECT entity, field FROM ownership.worksheet('landing.*');
UPDATE ownership.field SET rationale = NULL WHERE (entity, name) = ('landing.item', 'color');
UPDATE ownership.field SET domain = 'cost', owner = 'erp' WHERE (entity, name) = ('product', 'stock');
UPDATE ownership.domain SET sensitive = true WHERE name = 'cost';

-- Samples as the caller may read them, and where nothing of others runs.
CREATE ROLE regress_anna;
GRANT USAGE ON SCHEMA landing TO regress_anna;
GRANT SELECT ON landing.item TO regress_anna;
GRANT SELECT (sku) ON product TO regress_anna;
SET ROLE regress_anna;
SELECT entity, field, samples FROM ownership.worksheet('*', 'all') WHERE samples IS NOT NULL;
RESET ROLE;
ALTER TABLE landing.item ENABLE ROW LEVEL SECURITY;
SET ROLE regress_anna;
SELECT entity, field, samples FROM ownership.worksheet('*', 'all') WHERE samples IS NOT NULL;
RESET ROLE;
ALTER TABLE landing.item DISABLE ROW LEVEL SECURITY;
-- a table that cannot be read has none, and the others do
BEGIN;
CREATE FUNCTION spies(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
CREATE INDEX ON product (sku) WHERE spies(sku);
ALTER FUNCTION spies OWNER TO regress_anna;
SELECT DISTINCT entity FROM ownership.worksheet('*', 'all') WHERE samples IS NOT NULL;
ROLLBACK;

-- What comes back is imported: nothing changes without a decision, and each decision does.
SELECT format('/tmp/ownership_worksheet.%s.csv', pg_backend_pid()) AS file \gset
SELECT format('COPY (SELECT * FROM ownership.worksheet(''*'', ''all'')) TO %L WITH (FORMAT csv, HEADER)', :'file') AS export \gset
:export;
SELECT * FROM ownership.import_sheet(pg_read_file(:'file'));
SELECT format('COPY (SELECT entity, field, suggestion AS owner, reason, ''the workshop'' AS decided_by, suggestion, seen_readers, samples FROM ownership.worksheet() WHERE suggestion IS NOT NULL) TO %L WITH (FORMAT csv, HEADER, DELIMITER %L)', :'file', ';') AS export \gset
:export;
SELECT * FROM ownership.import_sheet(pg_read_file(:'file'), dry_run => false);
SELECT entity, field, owner FROM ownership.worksheet();
\setenv OWNERSHIP_FILE :file
\! rm -f "$OWNERSHIP_FILE"

-- Fields without a column, and the columns that may be meant: by name, by label, by a similar name.
SELECT * FROM ownership.near_columns() ORDER BY entity COLLATE "C", field COLLATE "C";
SELECT severity, entity, field, relation, column_name, systems, detail, advice FROM ownership.risks WHERE risk = 'no_column';
SELECT ownership.link('item.Color', '{landing.item.color}');
SELECT entity, field FROM ownership.risks WHERE risk = 'no_column';

-- Nobody needs to see what gives access.
CREATE TABLE login (id int PRIMARY KEY, "passwordHash" text, api_key text, salt text, basaltic text, stock_token text, pwd_hint text);
INSERT INTO login VALUES (1, 'p', 'a', 's', 'b', 't', 'h');
SELECT ownership.assign('login', NULL, NULL);
SELECT field, samples FROM ownership.worksheet('login') ORDER BY field COLLATE "C";

DROP TABLE product, login;
DROP SCHEMA landing CASCADE;
-- A map of which no table is there has a worksheet, without the guide's suggestions.
SELECT count(*), count(suggestion) AS suggestions, count(samples) AS samples FROM ownership.worksheet('*', 'all');
DROP EXTENSION ownership CASCADE;
DROP ROLE regress_anna;
