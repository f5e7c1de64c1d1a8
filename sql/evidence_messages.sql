-- What messages say: what became of the rows, names in one pair of quotes, and
-- of many columns the first few.
CREATE EXTENSION ownership;
CREATE SCHEMA "Shop";
CREATE TABLE "Bundle" ("Id" int PRIMARY KEY, price int, title text);
CREATE TABLE "Shop"."Order Line" (id int PRIMARY KEY, price int, title text);
INSERT INTO "Bundle" VALUES (1, 1, 'a'), (2, 2, 'b');
INSERT INTO "Shop"."Order Line" VALUES (1, 1, 'a'), (2, 2, 'b');
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('pim', 'pim');
	PERFORM ownership.assign('"Bundle"', '{Id,price}', 'erp', policy => 'keep');
	PERFORM ownership.assign('"Bundle"', '{title}', 'pim', policy => 'reject');
	PERFORM ownership.assign('"Shop"."Order Line"', '{id,price}', 'erp', policy => 'keep');
	PERFORM ownership.assign('"Shop"."Order Line"', '{title}', 'pim', policy => 'reject');
END $$;

SET ownership.system = 'pim';
-- not created, left as they were, nothing else to write
INSERT INTO "Bundle" VALUES (3, 3, 'c');
INSERT INTO "Bundle" VALUES (4, 4, 'c'), (5, 5, 'd');
DELETE FROM "Bundle" WHERE "Id" = 1;
DELETE FROM "Shop"."Order Line";
UPDATE "Bundle" SET price = 0 WHERE "Id" = 1;
UPDATE "Bundle" SET price = 0;
UPDATE "Bundle" SET price = -1, title = 'b';
UPDATE "Bundle" SET price = -2, title = "Id"::text;
MERGE INTO "Bundle" b USING (VALUES (1), (2), (9)) v(i) ON "Id" = i
	WHEN MATCHED AND i = 1 THEN DELETE
	WHEN MATCHED THEN UPDATE SET price = -3
	WHEN NOT MATCHED THEN INSERT VALUES (i, 1, 'x');
SET ownership.system = 'erp';
UPDATE "Bundle" SET title = '';
UPDATE "Shop"."Order Line" SET title = '';
SET ownership.system = 'pim';
TRUNCATE "Bundle";
TRUNCATE "Shop"."Order Line";
RESET ownership.system;

-- functions of the map
SELECT ownership.assign('"Bundle"', '{nothing}', 'erp');
SELECT ownership.assign_rows('"Bundle"', '{nothing}', 'erp', 'true');
SELECT ownership.guard('ownership.field');
CREATE TABLE "Off" ("Id" int);
SELECT ownership.guard('"Off"');
SELECT ownership.assign('"Off"', '{Id}', 'erp');
CREATE VIEW "View" AS SELECT 1 AS a;
SELECT ownership.assign('"View"', '{a}', 'erp');
SELECT ownership.link('x.y', '{Bundel.price}');
SELECT ownership.link('Bundle.other', '{"\"Bundle\".price"}');
SELECT ownership.explain('"Bundle"', 'price', 'pim', '{"Id": 77}');
\set VERBOSITY terse
ALTER TABLE "Bundle" RENAME TO "Bundle2";
CREATE TABLE "Bundle" ("Id" int PRIMARY KEY, other int);
\set VERBOSITY default
SELECT relation, detail FROM ownership.risks WHERE detail LIKE '%""%' OR advice LIKE '%""%';

-- a table with very many columns
CREATE TABLE wide (id int PRIMARY KEY, mine text);
DO $$
DECLARE
	columns text := (SELECT string_agg(format('ADD c%s text', i), ', ') FROM generate_series(1, 1597) i);
BEGIN
	EXECUTE 'ALTER TABLE wide ' || columns;
	PERFORM ownership.assign('wide', NULL, 'erp', policy => 'reject');
	PERFORM ownership.assign('wide', '{mine}', 'pim');
END $$;
SET ownership.system = 'pim';
DO $$
DECLARE
	message text;
	detail text;
BEGIN
	EXECUTE (SELECT 'INSERT INTO wide VALUES (1, ''m'', ' || string_agg('''x''', ', ') || ')' FROM generate_series(1, 1597));
EXCEPTION WHEN insufficient_privilege THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RAISE NOTICE E'%\n%', message, detail;
END $$;
SET ownership.system = 'erp';
INSERT INTO wide (id) VALUES (1);
SET ownership.system = 'pim';
UPDATE wide SET c1 = '', c2 = '', c3 = '', c4 = '', c5 = '', c6 = '';
UPDATE wide SET c1 = '', c2 = '', c3 = '', c4 = '', c5 = '';
RESET ownership.system;

DROP EXTENSION ownership;
DROP VIEW "View";
DROP TABLE "Bundle", "Bundle2", "Off", wide, "Shop"."Order Line";
DROP SCHEMA "Shop";
