-- Decisions: names, types, privileges, and what must not come of them.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
CREATE ROLE regress_anna;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('crm', 'crm', role => 'regress_crm');
GRANT SELECT, UPDATE (resolution) ON ownership.conflict TO regress_anna;
CREATE VIEW open AS SELECT conflict_id, relation, row_key, column_name, refused, stored, note FROM ownership.disagreements ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;
GRANT SELECT ON open TO regress_anna;

-- names
CREATE SCHEMA "s;x";
CREATE TABLE "s;x"."Ev""il'" ("K'""y" text, n int, "a b;--" text, "dr$1" numeric(5,1), PRIMARY KEY ("K'""y", n));
INSERT INTO "s;x"."Ev""il'" VALUES ('it''s "1"', 1, 'x', 1);
GRANT USAGE ON SCHEMA "s;x" TO PUBLIC;
GRANT ALL ON "s;x"."Ev""il'" TO PUBLIC;
SELECT ownership.assign('"s;x"."Ev""il''"', NULL, 'erp', policy => 'keep');
SET ROLE regress_crm;
UPDATE "s;x"."Ev""il'" SET "a b;--" = E'$1''; DROP TABLE x; \\ "', "dr$1" = 2.25;
RESET ROLE;
TABLE open;
SELECT ownership.accept(ARRAY(SELECT DISTINCT conflict_id FROM open));
TABLE "s;x"."Ev""il'";
SELECT row_key, column_name, from_value, to_value, outcome FROM ownership.revert(NULL, '-infinity', 'infinity', false);
TABLE "s;x"."Ev""il'";

-- partitions: the conflict names the table on the map; a key of the partition moves the row
CREATE TABLE part (region text, id int, price numeric, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu');
CREATE TABLE part_us PARTITION OF part FOR VALUES IN ('us');
INSERT INTO part VALUES ('eu', 1, 5);
GRANT ALL ON part, part_eu TO PUBLIC;
SELECT ownership.assign('part', NULL, 'erp', policy => 'keep');
SET ROLE regress_crm;
UPDATE part SET region = 'us', price = 7;
UPDATE part_eu SET price = 8;
RESET ROLE;
SELECT relation, row_key, column_name, refused, stored FROM open WHERE relation = 'part';
SELECT ownership.accept(ARRAY(SELECT conflict_id FROM open WHERE relation = 'part'));
SELECT tableoid::regclass, * FROM part;
SELECT row_key, column_name, from_value, to_value, outcome FROM ownership.revert(NULL, '-infinity', 'infinity', false) WHERE relation = 'part';
SELECT tableoid::regclass, * FROM part;

-- types and settings: what is written is what was refused, whatever the session's settings
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE typed (id int GENERATED ALWAYS AS IDENTITY, d2 positive, m mood, PRIMARY KEY (id, d2, m), d date, i interval, b bytea, t timestamptz, f float8,
	g int GENERATED ALWAYS AS (d2 * 2) STORED, j json, a text[], bits bit(3), c char(5), v varchar(3), r int4range);
GRANT ALL ON typed TO PUBLIC;
SELECT ownership.assign('typed', '{id,d2,m,d,i,b,t,f,j,a,bits,c,v,r}', 'erp', policy => 'keep');
SET ROLE regress_crm;
SET datestyle = 'sql, dmy';
SET intervalstyle = 'sql_standard';
SET timezone = 'Asia/Tokyo';
SET extra_float_digits = -15;
INSERT INTO typed OVERRIDING SYSTEM VALUE VALUES (77, 3, 'ok', '02/01/2024', '-1 days +02:00:00', '\x00ff', '2024-01-02 03:04:05+09', 0.1::float8 + 0.2::float8, DEFAULT,
	'{"a": 1}', ARRAY['a"b', NULL, ''], '101', 'ab', 'xyz', '[1,5)');
RESET ROLE;
SELECT row_key, refused FROM open WHERE relation = 'typed';
SET ROLE regress_anna;
SELECT ownership.accept(conflict_id) FROM open WHERE relation = 'typed';
SET ROLE regress_crm;
UPDATE typed SET d = '03/01/2024', i = '1 day -02:00:00', t = now(), f = 1e-7, b = 'x', j = '{"a":2}', d2 = 4, c = 'c';
RESET ROLE;
RESET datestyle;
RESET intervalstyle;
RESET timezone;
RESET extra_float_digits;
SET datestyle = iso;
SELECT id, d2, m, d, i, b, t = '2024-01-02 03:04:05+09' AS t, f = 0.1::float8 + 0.2::float8 AS f, g, j, a, bits, c, v, r FROM typed;
SELECT column_name, refused, stored FROM open WHERE relation = 'typed' AND column_name <> 't';
SELECT ownership.accept(max(conflict_id)) FROM open WHERE relation = 'typed';
SELECT id, d2, d, i, b, f, g, j, c FROM typed;
SELECT column_name FROM open WHERE relation = 'typed';
-- a domain's CHECK and constraints hold
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, proposed) VALUES
	('public', 'typed', '{"id": 77, "m": "ok"}', 'UPDATE', 'crm', 'kept', '{d2}', '{"d2": "-1"}') RETURNING id AS bad \gset
\set VERBOSITY terse
SELECT ownership.accept(:bad);
\set VERBOSITY default
DELETE FROM ownership.conflict WHERE id = :bad;

-- Whoever accepts needs the table's privileges.
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, tenant text);
CREATE TABLE other (id int PRIMARY KEY, v int);
INSERT INTO product VALUES ('A1', 1, 't', 'x'), ('B1', 1, 't', 'y');
INSERT INTO other VALUES (1, 1);
GRANT ALL ON product TO regress_crm;
GRANT ALL ON other TO PUBLIC;
SELECT ownership.assign('product', NULL, 'erp', policy => 'keep'), ownership.assign('other', NULL, 'erp', policy => 'reject');
SET ROLE regress_crm;
UPDATE product SET price = 2, title = 'new';
RESET ROLE;
SELECT id AS a1 FROM ownership.conflict WHERE row_key = '{"sku": "A1"}' \gset
SELECT id AS b1 FROM ownership.conflict WHERE row_key = '{"sku": "B1"}' \gset
\set VERBOSITY terse
SET ROLE regress_anna;
SELECT row_key, column_name, refused, stored, note FROM open WHERE relation = 'product';
SELECT ownership.accept(:a1);
RESET ROLE;
GRANT SELECT (sku, price), UPDATE ON product TO regress_anna;
SET ROLE regress_anna;
SELECT row_key, column_name, refused, stored, note FROM open WHERE relation = 'product';
SELECT ownership.accept(:a1);
RESET ROLE;
GRANT SELECT, INSERT, DELETE ON product TO regress_anna;
-- and to decide: reading evidence is not enough, nor is the table
SET ROLE regress_crm;
SELECT ownership.accept(:a1);
SELECT ownership.dismiss(:a1);
SELECT * FROM ownership.disagreements ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;
RESET ROLE;
GRANT SELECT ON ownership.conflict TO regress_crm;
SET ROLE regress_crm;
SELECT ownership.accept(:a1);
SELECT ownership.dismiss(:a1);
RESET ROLE;
REVOKE SELECT ON ownership.conflict FROM regress_crm;

-- Only that one statement writes as a steward, in that one table: what it causes is
-- judged as a write of the role that accepts.
CREATE FUNCTION writes_other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE other SET v = v + 1; RETURN NEW; END $$;
CREATE TRIGGER a BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION writes_other();
SET ROLE regress_anna;
SELECT ownership.accept(:a1);
RESET ROLE;
CREATE OR REPLACE FUNCTION writes_other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF pg_trigger_depth() = 1 THEN UPDATE product SET price = 1000 WHERE sku = 'B1'; END IF; RETURN NEW; END $$;
SET ROLE regress_anna;
SELECT ownership.accept(:a1);
RESET ROLE;
SELECT sku, price, title FROM product ORDER BY sku;
DROP TRIGGER a ON product;
-- a rule has the statement's parameters, but another table
CREATE RULE also AS ON UPDATE TO product DO ALSO UPDATE other SET v = 5;
SET ROLE regress_anna;
SELECT ownership.accept(:b1);
RESET ROLE;
DROP RULE also ON product;
CREATE RULE instead AS ON UPDATE TO product DO INSTEAD NOTHING;
SET ROLE regress_anna;
SELECT ownership.accept(:b1);
RESET ROLE;
DROP RULE instead ON product;
-- a default, a check and a policy are somebody's functions
CREATE FUNCTION writes(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN UPDATE other SET v = v + 1; RETURN true; END $$;
ALTER TABLE product ADD CONSTRAINT writes CHECK (writes(title)) NOT VALID;
SET ROLE regress_anna;
SELECT ownership.accept(:b1);
RESET ROLE;
ALTER TABLE product DROP CONSTRAINT writes;
-- cascades
CREATE TABLE child (id int PRIMARY KEY, sku text REFERENCES product ON DELETE CASCADE);
INSERT INTO child VALUES (1, 'B1');
SELECT ownership.assign('child', NULL, 'erp', policy => 'keep');
SET ROLE regress_crm;
DELETE FROM product WHERE sku = 'B1';
RESET ROLE;
SELECT max(id) AS gone FROM ownership.conflict \gset
SET ROLE regress_anna;
SELECT ownership.accept(:gone);
RESET ROLE;
SELECT ownership.identify(NULL, role => 'regress_anna', steward => true);
SET ROLE regress_anna;
SELECT ownership.accept(:gone);
RESET ROLE;
SELECT table_name, row_key, operation, outcome, role FROM ownership.conflict WHERE id > :gone ORDER BY id;
DELETE FROM ownership.identity WHERE name = 'regress_anna';
-- no later statement writes as a steward, also after errors
SET ROLE regress_anna;
UPDATE product SET price = 5;
RESET ROLE;
SELECT sku, price FROM product;

-- triggers of the table find what they name in the caller's search_path
CREATE SCHEMA app;
GRANT ALL ON SCHEMA app TO PUBLIC;
CREATE TABLE app.log (sku text);
GRANT ALL ON app.log TO PUBLIC;
CREATE FUNCTION logs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (NEW.sku); RETURN NEW; END $$;
CREATE TRIGGER log BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION logs();
SET ROLE regress_crm;
UPDATE product SET price = 6;
SET search_path = app, public;
UPDATE product SET price = 6;
SELECT count(*) FROM log;
SET ROLE regress_anna;
SELECT ownership.accept(conflict_id) FROM open WHERE relation = 'product' AND refused = '6';
RESET search_path;
RESET ROLE;
SELECT count(*) FROM app.log;
SELECT sku, price FROM product;
DROP TRIGGER log ON product;
-- operators of a schema that comes first in it are not used
SET ROLE regress_crm;
UPDATE product SET price = 7;
RESET ROLE;
CREATE FUNCTION app.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR app.= (LEFTARG = text, RIGHTARG = text, FUNCTION = app.never);
SET search_path = app, pg_catalog, public;
SELECT count(*) FROM public.open WHERE relation OPERATOR(pg_catalog.=) 'product';
SELECT ownership.dismiss(conflict_id) FROM public.open WHERE relation OPERATOR(pg_catalog.=) 'product';
RESET search_path;

-- A superuser who looks runs nobody's functions, such as those that the planner
-- computes for an index; whoever else looks does what a SELECT does.
SET ROLE regress_crm;
UPDATE product SET price = 8;
RESET ROLE;
GRANT CREATE ON SCHEMA public TO regress_anna;
SET ROLE regress_anna;
CREATE FUNCTION public.trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE WARNING 'run as %', current_user; RETURN 1; END $$;
RESET ROLE;
SET client_min_messages = error;
CREATE INDEX trap ON product ((trap(1) + length(sku)));
SET client_min_messages = warning;
SELECT row_key, column_name, refused, stored, note FROM open WHERE relation = 'product';
SET ROLE regress_anna;
SELECT row_key, column_name, refused, stored, note FROM open WHERE relation = 'product';
RESET ROLE;
DROP INDEX trap;
DROP FUNCTION trap;
REVOKE CREATE ON SCHEMA public FROM regress_anna;
SELECT ownership.dismiss(conflict_id) FROM open WHERE relation = 'product';

-- row security: who does not see a row cannot accept it
SET ownership.enforcement = off;
INSERT INTO product VALUES ('C1', 1, 't', 'x'), ('D1', 1, 't', 'y');
RESET ownership.enforcement;
SET ROLE regress_crm;
UPDATE product SET price = 77;
RESET ROLE;
ALTER TABLE product ENABLE ROW LEVEL SECURITY;
CREATE POLICY y ON product USING (tenant = 'y');
SET ROLE regress_anna;
SELECT row_key, column_name, refused, stored FROM open WHERE relation = 'product';
SELECT ownership.accept(max(id)) FROM ownership.conflict WHERE row_key = '{"sku": "C1"}';
SELECT ownership.accept(max(id)) FROM ownership.conflict WHERE row_key = '{"sku": "D1"}';
RESET ROLE;
SELECT sku, price FROM product WHERE sku IN ('C1', 'D1') ORDER BY sku;
-- while enforcement only observes, and off
SET ownership.enforcement = observe;
SELECT ownership.accept(max(id)) FROM ownership.conflict WHERE row_key = '{"sku": "C1"}';
RESET ownership.enforcement;
SELECT row_key, outcome FROM ownership.conflict ORDER BY id DESC LIMIT 1;
SET ownership.enforcement = off;
SELECT row_key, column_name, from_value, to_value, outcome FROM ownership.revert(NULL, '-infinity', 'infinity', false) WHERE row_key = '{"sku": "C1"}';
RESET ownership.enforcement;
SELECT price FROM product WHERE sku = 'C1';

DROP VIEW open;
DROP EXTENSION ownership CASCADE;
DROP TABLE product, other, child, typed, part, "s;x"."Ev""il'";
DROP DOMAIN positive;
DROP TYPE mood;
DROP FUNCTION writes_other, writes, logs;
DROP SCHEMA "s;x", app CASCADE;
DROP ROLE regress_erp, regress_crm, regress_anna;
