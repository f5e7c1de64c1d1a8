-- Rows of one statement are stored together, with the same end as one by one.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION ownership;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm'), ownership.add_system('shop', 'storefront');
CREATE SCHEMA landing;
CREATE TABLE product (id int PRIMARY KEY, price int, stock int, title text);
CREATE TABLE landing.item (id int PRIMARY KEY, price int, stock int, title text);
CREATE TABLE part (id int PRIMARY KEY, price int);
SELECT ownership.assign('product', NULL, 'erp', readers => '{crm}');

CREATE TABLE rows (batch int, n int, entity text, field text, owner text, readers text, writers text, columns text, key text, label text);
INSERT INTO rows VALUES
	-- fields that are there, new ones with and without columns, twice the same, one that gives a column up
	(1, 1, 'product', 'price', 'crm', 'erp; shop', NULL, NULL, NULL, 'Price'),
	(1, 2, 'product', 'stock', 'erp', NULL, 'shop', NULL, NULL, NULL),
	(1, 3, 'landing.item', 'stock', 'erp', 'crm', NULL, NULL, NULL, NULL),
	(1, 4, 'article', 'price', 'erp', 'crm; crm', NULL, 'landing.item.price; part.price', NULL, NULL),
	(1, 5, 'article', 'note', 'both', NULL, 'erp', NULL, 'f', NULL),
	(1, 6, 'product', 'price', 'erp', 'shop', 'crm', NULL, NULL, 'Last'),
	(1, 7, 'article', 'title', 'crm', NULL, NULL, 'landing.item.title', NULL, NULL),
	-- takes a column from its default field, which goes
	(2, 1, 'product', 'title', 'erp', 'crm', NULL, NULL, NULL, NULL),
	(2, 2, 'article', 'title', 'crm', 'shop', NULL, 'landing.item.title; product.title', NULL, NULL),
	(2, 3, 'article', 'id', 'erp', NULL, NULL, 'product.id', NULL, NULL),
	-- gives one up, and another row has it
	(3, 1, 'article', 'price', 'erp', NULL, NULL, 'landing.item.price', NULL, NULL),
	(3, 2, 'part', 'price', 'shop', NULL, NULL, NULL, 't', NULL),
	(3, 3, 'article', 'title', 'crm', 'shop', NULL, 'landing.item.title', NULL, NULL);

CREATE FUNCTION outcome(together boolean) RETURNS TABLE (what text, line jsonb) LANGUAGE plpgsql AS $$
DECLARE
	r record;
	since bigint := (SELECT max(id) FROM ownership.map_history);
BEGIN
	FOR r IN SELECT array_agg(w ORDER BY n) AS some FROM rows w GROUP BY batch, CASE WHEN NOT together THEN n END ORDER BY batch, min(n) LOOP
		INSERT INTO ownership.sheet (entity, field, owner, readers, writers, columns, key, label)
		SELECT s.entity, s.field, s.owner, s.readers, s.writers, s.columns, s.key, s.label FROM unnest(r.some) WITH ORDINALITY s ORDER BY s.n;
	END LOOP;
	RETURN QUERY SELECT 'sheet', to_jsonb(s) FROM ownership.sheet s
		UNION ALL SELECT 'history', to_jsonb(h) - 'id' - 'changed_at' FROM ownership.map_history h WHERE h.id > since
		UNION ALL SELECT 'table', to_jsonb(t) FROM ownership.mirrored_table t;
END $$;
BEGIN;
SELECT json_agg(o) AS together FROM outcome(true) o \gset
ROLLBACK;
BEGIN;
CREATE TEMP TABLE alone ON COMMIT DROP AS SELECT * FROM outcome(false);
CREATE TEMP TABLE together ON COMMIT DROP AS SELECT * FROM jsonb_to_recordset(:'together') o(what text, line jsonb);
SELECT what, count(*) FROM alone GROUP BY 1 ORDER BY 1;
SELECT 'alone' AS only, a.* FROM (SELECT * FROM alone EXCEPT ALL SELECT * FROM together) a
UNION ALL SELECT 'together', t.* FROM (SELECT * FROM together EXCEPT ALL SELECT * FROM alone) t;
ROLLBACK;

-- an error names the row and its line, however late it comes, and nothing is stored
\set VERBOSITY default
COPY ownership.sheet (entity, field, owner, columns) FROM STDIN (FORMAT csv);
article,a,erp,
article,b,crm,product.price
product,stock,crm,
article,c,erp,product.stock
article,d,crm,product.price
\.
COPY ownership.sheet (entity, field, owner, readers) FROM STDIN (FORMAT csv);
article,a,erp,
article,b,crm,nobody knows
\.
\set VERBOSITY terse
SELECT entity, field, owner FROM ownership.sheet;

-- statements within each other
CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.entity = 'outer' THEN
		INSERT INTO ownership.sheet (entity, field, owner) VALUES ('inner', NEW.name, 'crm');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER more AFTER INSERT ON ownership.field FOR EACH ROW EXECUTE FUNCTION more();
INSERT INTO ownership.sheet (entity, field, owner) VALUES ('outer', 'a', 'erp'), ('outer', 'b', 'erp');
DO $$
BEGIN
	INSERT INTO ownership.sheet (entity, field, owner) VALUES ('outer', 'c', 'erp'), ('outer', 'd', 'nobody');
EXCEPTION WHEN undefined_object THEN
	INSERT INTO ownership.sheet (entity, field, owner) VALUES ('outer', 'e', 'erp');
END $$;
SELECT entity, field, owner FROM ownership.sheet WHERE entity IN ('inner', 'outer');

-- what rows refer to is looked up once, not row by row
CREATE TABLE wide (id int PRIMARY KEY, a1 int, a2 int, a3 int, a4 int, a5 int, a6 int, a7 int, a8 int, a9 int);
CREATE FUNCTION lookups(OUT systems bigint, OUT fields bigint) LANGUAGE sql AS $$
	SELECT sum(seq_scan + idx_scan) FILTER (WHERE relname = 'system'), sum(seq_tup_read + idx_scan) FILTER (WHERE relname = 'field')
	FROM pg_stat_xact_all_tables WHERE schemaname = 'ownership'
$$;
CREATE FUNCTION sheet() RETURNS text LANGUAGE sql AS $$
	SELECT 'entity,field,owner,readers,columns' || string_agg(format(E'\nwide,a%s,erp,"crm; shop",wide.a%s', i, i), '') FROM generate_series(1, 9) i
$$;
BEGIN;
SELECT * FROM lookups() \gset before_
SELECT count(*) FROM ownership.import_sheet(sheet(), false);
SELECT systems - :before_systems < 15 AS few FROM lookups();
COMMIT;
SELECT map_table, count(*) FROM ownership.map_history WHERE entity = 'wide' GROUP BY 1 ORDER BY 1;
-- columns of schema public are known again
BEGIN;
SELECT * FROM lookups() \gset before_
SELECT * FROM ownership.import_sheet(sheet(), false);
SELECT systems - :before_systems < 15 AS few FROM lookups();
COMMIT;
-- a trigger that somebody added changes the rows: what they refer to then is checked
CREATE FUNCTION elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.system = 'nobody';
	RETURN NEW;
END $$;
CREATE TRIGGER elsewhere BEFORE INSERT ON ownership.declared_access FOR EACH ROW EXECUTE FUNCTION elsewhere();
INSERT INTO ownership.sheet (entity, field, owner, readers) VALUES ('wide', 'b', 'erp', 'crm');
SELECT line, field, problem FROM ownership.import_sheet(E'entity,field,owner,readers\nwide,b,erp,crm', false) WHERE problem IS NOT NULL;
DROP TRIGGER elsewhere ON ownership.declared_access;
-- what a trigger writes beside them is checked row by row
CREATE FUNCTION beside() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ownership.declared_access (entity, field, mode, system) VALUES ('wide', 'a1', 'write', 'nobody');
	RETURN NULL;
END $$;
CREATE TRIGGER beside AFTER INSERT ON ownership.field FOR EACH STATEMENT EXECUTE FUNCTION beside();
INSERT INTO ownership.sheet (entity, field, owner, readers) VALUES ('wide', 'b', 'erp', 'crm');
DROP TRIGGER beside ON ownership.field;

-- rows that must be stored alone, among others: the same end, and no row is read again for each of them
CREATE TABLE many (id int PRIMARY KEY);
DO $$ BEGIN
	EXECUTE (SELECT 'ALTER TABLE many ' || string_agg(format('ADD c%s int', i), ', ') FROM generate_series(1, 400) i);
END $$;
SELECT ownership.assign('many', NULL, 'erp');
BEGIN;
SELECT * FROM lookups() \gset before_
SELECT count(*) FROM ownership.import_sheet((SELECT 'entity,field,owner,columns' ||
	string_agg(format(E'\nbusiness,c%s,crm,many.c%s\nbusiness,d%s,crm,', i, i, i), '' ORDER BY i) FROM generate_series(1, 400) i), false);
SELECT (fields - :before_fields) / 800 < 40 AS few FROM lookups();
COMMIT;
SELECT entity, count(*), count(columns) FROM ownership.sheet WHERE entity IN ('many', 'business') GROUP BY 1 ORDER BY 1;

DROP TABLE wide, many;
DROP FUNCTION lookups, sheet, elsewhere, beside;
DROP TRIGGER more ON ownership.field;
DROP TABLE product, part, landing.item, rows;
DROP SCHEMA landing;
DROP FUNCTION more, outcome;
DROP EXTENSION ownership;
