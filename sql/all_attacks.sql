-- Ways around the guard for somebody who has ordinary privileges: none of
-- them works.  What is promised, and against whom, is in doc/explanation/security.md.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_mallory;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
INSERT INTO product VALUES ('A1', 1, 't'), ('B1', 1, 't');
GRANT ALL ON product TO regress_erp, regress_crm, regress_mallory;
SELECT ownership.assign('product', NULL, 'erp', policy => 'reject');
\set VERBOSITY terse

--
-- What the extension gives away.  PUBLIC may read the map and write nothing;
-- the one function that runs as its owner tells which systems read which publication.
--
SELECT c.relname, a.privilege_type FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ownership', aclexplode(c.relacl) a
WHERE a.grantee = 0 AND a.privilege_type <> 'SELECT';
SELECT c.relname AS not_readable_by_public FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ownership'
WHERE c.relkind IN ('r', 'v') AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0) ORDER BY c.relname;
SELECT p.oid::regprocedure, p.proconfig, has_function_privilege('regress_mallory', p.oid, 'EXECUTE') AS public FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ownership' WHERE p.prosecdef;
-- a function in SQL finds everything by its full name, or says where to look
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ownership' JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname = 'sql' AND p.prosqlbody IS NULL AND NOT coalesce(p.proconfig::text LIKE '%search_path=%', false);

-- whoever has no grant changes nothing by function either
SET ROLE regress_mallory;
SELECT ownership.add_system('mine', 'erp', role => 'regress_mallory');
SELECT ownership.identify('erp', role => 'regress_mallory');
SELECT ownership.assign('product', '{price}', 'crm');
SELECT ownership.add_tables('public.*', source => 'crm');
SELECT ownership.link('public.product.price', '{public.product.title}');
SELECT ownership.assign_rows('product', '{price}', 'crm', 'true');
SELECT ownership.guard('product');
SELECT ownership.unguard('product');
CALL ownership.guard_all();
SELECT count(*) FROM ownership.adopt('public.*');
SELECT count(*) FROM ownership.import_sheet(E'entity,field,owner\nproduct,price,crm\n', dry_run => false);
SELECT ownership.accept(1);
SELECT ownership.dismiss(1);
SELECT count(*) FROM ownership.revert('erp', '2000-01-01', dry_run => false);
SELECT ownership.prune('0');
INSERT INTO ownership.identity (kind, name, system) VALUES ('role', 'regress_mallory', 'erp');
UPDATE ownership.field SET owner = NULL;
DELETE FROM ownership.mirrored_table;
TRUNCATE ownership.conflict;
SELECT count(*) FROM ownership.conflict;
SELECT count(*) FROM ownership.map_history;
SELECT count(*) FROM ownership.disagreements;
-- the trigger functions are of no use on a table of one's own
CREATE TEMP TABLE mine (sku text PRIMARY KEY, price numeric);
CREATE TRIGGER mine BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION ownership.guard_amend();
INSERT INTO mine VALUES ('A1', 2);
SELECT ownership.guard_amend();
DROP TABLE mine;
RESET ROLE;
SELECT count(*) FROM ownership.system;

--
-- Who one is cannot be said by whoever likes to
--
SET ROLE regress_crm;
SET application_name = 'erp';
UPDATE product SET price = 2;
SET ownership.system = 'erp';
SELECT set_config('ownership.system', 'erp', false);
SET ownership.enforcement = off;
SET ownership.default_policy = 'observe';
SET session_replication_role = replica;
ALTER ROLE regress_crm SET ownership.system = 'erp';
SELECT pg_replication_origin_session_setup('erp');
UPDATE product SET price = 2;
RESET ROLE;
RESET application_name;

--
-- What is compared is the value: operators, casts and functions of a schema
-- that comes first are not asked
--
CREATE SCHEMA trap;
GRANT ALL ON SCHEMA trap TO regress_crm;
SET ROLE regress_crm;
CREATE FUNCTION trap.always(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR trap.= (FUNCTION = trap.always, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION trap.same(numeric, numeric) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR trap.= (FUNCTION = trap.same, LEFTARG = numeric, RIGHTARG = numeric);
CREATE FUNCTION trap.current_system() RETURNS text LANGUAGE sql AS $$ SELECT 'erp' $$;
CREATE TABLE trap.conflict (LIKE ownership.mirrored_table);
SET search_path = trap, ownership, pg_catalog, public;
UPDATE public.product SET price = 2 WHERE sku OPERATOR(pg_catalog.=) 'A1';
UPDATE public.product SET title = 'mine' WHERE sku OPERATOR(pg_catalog.=) 'A1';
SELECT ownership.current_system();
RESET search_path;
RESET ROLE;

--
-- What a view puts into a new row is what its maker wrote, also where the
-- table has a default that is computed, and the statement does not name it
--
CREATE TABLE offer (sku text PRIMARY KEY, price numeric DEFAULT random(), at timestamptz DEFAULT now(), title text);
GRANT ALL ON offer TO regress_crm;
SELECT ownership.assign('offer', '{sku,title}', 'crm'), ownership.assign('offer', '{price,at}', 'erp', policy => 'reject');
SET ROLE regress_crm;
CREATE TEMP VIEW v AS SELECT sku, price AS cost, at, title FROM offer;
INSERT INTO v (sku) VALUES ('plain');
ALTER VIEW v ALTER cost SET DEFAULT 666;
INSERT INTO v (sku) VALUES ('by default');
ALTER VIEW v ALTER cost DROP DEFAULT, ALTER title SET DEFAULT 'mine';
INSERT INTO v (sku) VALUES ('own default');
CREATE TEMP VIEW w AS SELECT title, at AS moment, sku FROM v;
ALTER VIEW w ALTER moment SET DEFAULT '2000-01-01';
INSERT INTO w (sku) VALUES ('by default of a view on a view');
INSERT INTO w (sku) VALUES ('plain') ON CONFLICT (sku) DO UPDATE SET title = excluded.title;
MERGE INTO offer o USING (SELECT 'merged' AS sku) s ON o.sku = s.sku WHEN NOT MATCHED THEN INSERT (sku) VALUES (s.sku);
RESET ROLE;
SELECT sku, price < 1 AS computed, at > '2000-01-02' AS now, title FROM offer ORDER BY sku;
DROP VIEW w, v;
DROP TABLE offer;

--
-- A row filter asks; what it calls writes nothing that is guarded
--
CREATE TABLE item (id int PRIMARY KEY, name text, price int);
INSERT INTO item SELECT i, 'row' || i, i FROM generate_series(1, 4) i;
GRANT ALL ON item TO regress_crm;
SELECT ownership.assign('item', '{id,name}', 'erp', policy => 'keep'), ownership.assign('item', '{price}', 'crm');
CREATE FUNCTION writes(i int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	UPDATE public.item SET price = price + 1, name = repeat('other', 1000) WHERE id = i + 1;
	RETURN '!';
END $$;
CREATE FUNCTION writes_own(i int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	UPDATE public.item SET price = price + 1 WHERE id = i + 1;
	RETURN '!';
END $$;
CREATE FUNCTION asks(i int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	PERFORM ownership.explain('public.item', 'name', row_key => jsonb_build_object('id', i + 1));
	RETURN '!';
END $$;
CREATE FUNCTION stable(what regproc, i int) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SELECT %s(%s)', what, i) INTO answer;
	RETURN answer;
END $$;
SELECT ownership.assign_rows('item', '{name}', 'crm', $$name || public.stable('public.writes', id) = 'row' || id || '!'$$);
SET ROLE regress_crm;
UPDATE item SET name = 'mine' WHERE id = 1;
RESET ROLE;
UPDATE ownership.row_owner SET row_filter = replace(row_filter, 'writes', 'writes_own');
SET ROLE regress_crm;
UPDATE item SET name = 'mine' WHERE id = 1;
UPDATE item SET price = 0 WHERE id = 1;
UPDATE item SET name = 'mine' WHERE id = 1;
RESET ROLE;
UPDATE ownership.row_owner SET row_filter = replace(row_filter, 'writes_own', 'asks');
SET ROLE regress_crm;
UPDATE item SET name = 'mine' WHERE id = 1;
RESET ROLE;
UPDATE ownership.row_owner SET row_filter = $$name = 'row1'$$;
SET ROLE regress_crm;
UPDATE item SET name = 'mine' WHERE id <= 2;
RESET ROLE;
SELECT * FROM item ORDER BY id;
DROP TABLE item;
DROP FUNCTION writes, writes_own, asks, stable;

--
-- Only the statement that accept() makes writes as a steward, not what a rule of
-- the table adds to it, which has the same parameters
--
UPDATE ownership.field SET policy = 'keep';
SET ROLE regress_crm;
UPDATE product SET title = 'proposed' WHERE sku = 'A1';
RESET ROLE;
CREATE RULE also AS ON UPDATE TO product DO ALSO INSERT INTO product VALUES ('Z9', 1000, 'by the rule');
UPDATE ownership.field SET policy = 'reject';
GRANT SELECT, UPDATE (resolution) ON ownership.conflict TO regress_mallory;
SET ROLE regress_mallory;
SELECT ownership.accept((SELECT max(id) FROM ownership.conflict));
RESET ROLE;
DROP RULE also ON product;
SET ROLE regress_mallory;
SELECT ownership.accept((SELECT max(id) FROM ownership.conflict));
RESET ROLE;
SELECT * FROM product ORDER BY sku COLLATE "C";
SELECT system, role, operation, outcome, row_key, proposed FROM ownership.conflict WHERE outcome <> 'rejected' ORDER BY id;

--
-- Names are names, in messages, evidence and SQL that the extension makes
--
CREATE SCHEMA "a.b";
CREATE TABLE "a.b"."it's ""x""; --" (id int PRIMARY KEY, "price
'); DROP TABLE product; --" int, "0123456789012345678901234567890123456789012345678901234567890ab" int);
GRANT USAGE ON SCHEMA "a.b" TO regress_crm;
GRANT ALL ON "a.b"."it's ""x""; --" TO regress_crm;
INSERT INTO "a.b"."it's ""x""; --" VALUES (1, 1, 1);
SELECT ownership.assign('"a.b"."it''s ""x""; --"', NULL, 'erp', policy => 'keep');
SET ROLE regress_crm;
UPDATE "a.b"."it's ""x""; --" SET "price
'); DROP TABLE product; --" = 2, "0123456789012345678901234567890123456789012345678901234567890ab" = 2;
RESET ROLE;
SELECT table_schema, table_name, columns, row_key, proposed FROM ownership.conflict WHERE table_schema = 'a.b';
SELECT ownership.accept(id) FROM ownership.conflict WHERE table_schema = 'a.b' AND outcome = 'kept';
TABLE "a.b"."it's ""x""; --";
SELECT count(*) FROM product;

DROP EXTENSION ownership CASCADE;
DROP TABLE product;
DROP SCHEMA "a.b", trap CASCADE;
DROP ROLE regress_erp, regress_crm, regress_mallory;
