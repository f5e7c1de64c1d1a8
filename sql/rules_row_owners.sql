-- Row owners: who owns a column in the rows where a filter holds.
CREATE EXTENSION ownership;
\set VERBOSITY terse
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp');
	PERFORM ownership.add_system('shop', 'storefront');
	PERFORM ownership.add_system('pim', 'pim');
END $$;
CREATE VIEW evidence AS
SELECT table_name, row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY table_name COLLATE "C", row_key, id;

-- An order: the storefront's while it is a cart, the ERP's after checkout.
CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric, note text);
INSERT INTO orders VALUES (1, 'cart', 10, ''), (2, 'checkout', 20, ''), (3, 'paid', 30, ''), (4, NULL, 40, '');
DO $$ BEGIN
	PERFORM ownership.assign('orders', '{id}', 'shop');
	PERFORM ownership.assign('orders', '{status,total}', 'erp');
	PERFORM ownership.assign_rows('orders', '{status,total}', 'shop', $f$status IN ('cart', 'checkout')$f$);
END $$;
SELECT column_name, position, row_filter, owner FROM ownership.row_owner ORDER BY column_name COLLATE "C";

SET ownership.system = 'shop';
-- the stored row decides, not the proposed one
UPDATE orders SET status = 'checkout', total = 11 WHERE id = 1;
UPDATE orders SET status = 'paid' WHERE id = 2;
\set VERBOSITY default
UPDATE orders SET status = 'cart', total = 0 WHERE id = 3;
\set VERBOSITY terse
UPDATE orders SET status = 'cancelled' WHERE id = 2;
-- a filter that is neither true nor false does not hold: the field's owner
UPDATE orders SET status = 'cart' WHERE id = 4;
-- an echo, and columns that nobody asked about
UPDATE orders SET status = 'paid', total = 30.0, note = 'echo' WHERE id = 3;
SET ownership.system = 'erp';
UPDATE orders SET status = 'shipped' WHERE id = 2;
UPDATE orders SET status = 'open' WHERE id = 4;
\set VERBOSITY default
UPDATE orders SET status = 'paid' WHERE id = 1;
\set VERBOSITY terse
-- nobody and a third one own it nowhere
SET ownership.system = 'pim';
UPDATE orders SET status = 'paid' WHERE id = 1;
UPDATE orders SET status = 'paid' WHERE id = 2;
SELECT * FROM orders ORDER BY id;
-- on INSERT it is the new row that decides
SET ownership.system = 'shop';
INSERT INTO orders VALUES (5, 'cart', 50);
INSERT INTO orders VALUES (6, 'paid', 60);
INSERT INTO orders VALUES (6, NULL, NULL);
-- several rows, each with its owner
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'orders' AND NOT key;
UPDATE orders SET total = total + 1, note = 'sum';
SELECT * FROM orders ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
INSERT INTO orders VALUES (7, 'paid', 70, 'n') RETURNING *;
-- an upsert: the stored row decides
INSERT INTO orders VALUES (5, 'checkout', 55, 'up') ON CONFLICT (id) DO UPDATE SET status = excluded.status, total = excluded.total RETURNING *;
INSERT INTO orders VALUES (2, 'cart', 22, 'up') ON CONFLICT (id) DO UPDATE SET status = excluded.status, total = excluded.total, note = excluded.note RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;
-- the statement's columns are judged together: each by the row as it was
SET ownership.system = 'erp';
UPDATE orders SET status = 'paid', total = 1 WHERE id = 5 RETURNING *;
-- a BEFORE trigger cannot make the row another's
CREATE FUNCTION to_paid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.status := 'paid'; RETURN new; END $$;
CREATE TRIGGER derive BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION to_paid();
UPDATE orders SET total = 2, note = 'paid' WHERE id = 5 RETURNING *;
DROP TRIGGER derive ON orders;
-- and now it was paid
UPDATE orders SET total = 3 WHERE id = 5 RETURNING *;
TABLE evidence;
TRUNCATE ownership.conflict;
SELECT system, (e).* FROM (VALUES ('erp'), ('shop'), ('pim')) s(system), ownership.explain('orders', 'status', system) e;
-- in a row it is known, and whether there is a value to be kept
SELECT id, status, system, (e).* FROM orders, (VALUES ('erp'), ('shop')) s(system), ownership.explain('orders', 'status', system, jsonb_build_object('id', id)) e ORDER BY id, system;
SELECT ownership.explain('orders', 'status', 'erp', '{"id": 999}');
SELECT ownership.explain('orders', 'status', 'erp', '{"nokey": 1}');
SELECT ownership.explain('orders', 'status', 'erp', '[]');

-- Prices by market, a surrogate key for all.
CREATE TABLE price (sku text, market text, amount int, PRIMARY KEY (sku, market));
INSERT INTO price VALUES ('A', 'de', 1), ('A', 'us', 2), ('A', 'jp', 3);
DO $$ BEGIN
	PERFORM ownership.assign('price', '{sku,market}', NULL);
	PERFORM ownership.assign('price', '{amount}', NULL);
	PERFORM ownership.assign_rows('price', '{amount}', 'erp', $f$market = ANY ('{de,at}')$f$);
	PERFORM ownership.assign_rows('price', '{amount}', 'shop', $f$market ~ '^u'$f$);
END $$;
SET ownership.system = 'erp';
UPDATE price SET amount = 10 WHERE market = 'de';
UPDATE price SET amount = 30 WHERE market = 'jp';
UPDATE price SET amount = 20 WHERE market = 'us';
INSERT INTO price VALUES ('B', 'at', 1);
INSERT INTO price VALUES ('B', 'uk', 1);
INSERT INTO price VALUES ('B', 'uk');
SELECT * FROM price ORDER BY sku COLLATE "C", market COLLATE "C";

-- The first by position wins, also where it names nobody.
CREATE TABLE rule (id int PRIMARY KEY, n int, v text);
INSERT INTO rule SELECT i, i, 'v' FROM generate_series(1, 5) i;
DO $$ BEGIN
	PERFORM ownership.assign('rule', '{id}', NULL);
	PERFORM ownership.assign('rule', '{v}', 'pim');
	PERFORM ownership.assign_rows('rule', '{v}', 'erp', 'n <= 2');
	PERFORM ownership.assign_rows('rule', '{v}', 'shop', 'n <= 3');
	PERFORM ownership.assign_rows('rule', '{v}', NULL, 'n <= 4');
END $$;
SELECT position, row_filter, owner FROM ownership.row_owner WHERE table_name = 'rule' ORDER BY position;
CREATE FUNCTION who() RETURNS TABLE (n int, may_write text) LANGUAGE plpgsql AS $$
DECLARE
	s text;
	r rule;
BEGIN
	FOR r IN SELECT * FROM rule ORDER BY rule.n LOOP
		n := r.n;
		may_write := '';
		FOREACH s IN ARRAY '{erp,pim,shop}'::text[] LOOP
			PERFORM set_config('ownership.system', s, true);
			BEGIN
				UPDATE rule SET v = v || '.' WHERE id = r.id;
				may_write := may_write || s || ' ';
			EXCEPTION WHEN insufficient_privilege THEN
			END;
		END LOOP;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT * FROM who();
-- the same filter again changes its owner; positions may have gaps
DO $$ BEGIN PERFORM ownership.assign_rows('rule', '{v}', 'pim', 'n <= 2'); END $$;
DELETE FROM ownership.row_owner WHERE table_name = 'rule' AND position = 2;
INSERT INTO ownership.row_owner VALUES ('public', 'rule', 'v', 0, 'n = 1', 'shop');
SELECT * FROM who();
DELETE FROM ownership.row_owner WHERE table_name = 'rule';
SELECT * FROM who();

-- Attribute rows of an entity-attribute-value table: the key, too.
CREATE TABLE attr (product int, name text, value text, PRIMARY KEY (product, name));
INSERT INTO attr VALUES (1, 'weight', '5'), (1, 'color', 'red'), (1, 'hidden', 'yes');
DO $$ BEGIN
	PERFORM ownership.assign('attr', NULL, 'pim');
	PERFORM ownership.assign_rows('attr', '{product,name,value}', 'erp', $f$name IN ('weight', 'width')$f$);
	PERFORM ownership.assign_rows('attr', '{product,name,value}', 'shop', $f$name = 'hidden'$f$);
END $$;
SET ownership.system = 'erp';
UPDATE attr SET value = '6' WHERE name = 'weight';
UPDATE attr SET value = '6' WHERE name = 'color';
INSERT INTO attr VALUES (1, 'width', '7');
INSERT INTO attr VALUES (1, 'size', 'L');
-- whoever owns a row may give it away, and cannot take it back
UPDATE attr SET name = 'height' WHERE name = 'width';
UPDATE attr SET name = 'width' WHERE name = 'height';
-- DELETE: by the key of the stored row
\set VERBOSITY default
DELETE FROM attr WHERE name = 'color';
\set VERBOSITY terse
DELETE FROM attr WHERE name = 'weight';
DELETE FROM attr;
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'attr';
INSERT INTO attr VALUES (1, 'weight', '5');
DELETE FROM attr RETURNING *;
INSERT INTO attr VALUES (2, 'weight', '5'), (2, 'color', 'red'), (2, 'width', '6');
SELECT * FROM attr ORDER BY product, name COLLATE "C";
TABLE evidence;
TRUNCATE ownership.conflict;

-- A new row's owners are those of the row as it will be: with the default in
-- the place of a refused value the rest may be another's.
CREATE TABLE ticket (id int PRIMARY KEY, state text DEFAULT 'new', total int, title text, n int);
DO $$ BEGIN
	PERFORM ownership.assign('ticket', '{id,n}', 'shop');
	PERFORM ownership.assign('ticket', '{state,total,title}', 'erp', policy => 'keep');
	PERFORM ownership.assign_rows('ticket', '{total}', 'shop', $f$state = 'cart'$f$);
	PERFORM ownership.assign_rows('ticket', '{title}', 'shop', 'total IS NOT NULL');
END $$;
SET ownership.system = 'shop';
INSERT INTO ticket VALUES (1, 'cart', 10, 'ten', 1) RETURNING *;
INSERT INTO ticket VALUES (2, 'new', NULL, 'none', 2) RETURNING *;
ALTER TABLE ticket ALTER state SET DEFAULT 'cart';
INSERT INTO ticket VALUES (3, 'cart', 30, 'thirty', 3) RETURNING *;
UPDATE ownership.field SET policy = 'reject' WHERE entity = 'ticket' AND name = 'title';
ALTER TABLE ticket ALTER state SET DEFAULT 'new';
INSERT INTO ticket VALUES (4, 'cart', 40, 'forty', 4);
TABLE evidence;
TRUNCATE ownership.conflict;

-- A filter is evaluated only where a mirrored column changed.
CREATE TABLE shout (id int PRIMARY KEY, v text, w text);
INSERT INTO shout VALUES (1, 'v', 'w');
CREATE SEQUENCE looks;
CREATE FUNCTION shouts(v text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('looks'); RETURN v = 'v'; END $$;
DO $$ BEGIN
	PERFORM ownership.assign('shout', '{id,v}', 'erp');
	PERFORM ownership.assign_rows('shout', '{v}', 'shop', 'public.shouts(v)');
END $$;
SET ownership.system = 'shop';
UPDATE shout SET w = 'x';
UPDATE shout SET v = v, w = 'y';
SELECT is_called FROM looks;
UPDATE shout SET v = 'z';
SELECT is_called FROM looks;
UPDATE shout SET v = 'v';
-- another body of the function works at once
CREATE OR REPLACE FUNCTION shouts(v text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$;
UPDATE shout SET v = 'v';

-- A filter that raises fails closed, and says which it is.
CREATE TABLE broken (id int PRIMARY KEY, n int, v text, w text);
INSERT INTO broken VALUES (1, 1, 'v', 'w'), (2, 0, 'v', 'w');
DO $$ BEGIN
	PERFORM ownership.assign('broken', '{id,v}', 'erp');
	PERFORM ownership.assign_rows('broken', '{v}', 'shop', '1 / n = 1');
END $$;
UPDATE broken SET v = 'x' WHERE id = 1;
UPDATE broken SET w = 'x' WHERE id = 2;
\set VERBOSITY default
UPDATE broken SET v = 'x' WHERE id = 2;
\set VERBOSITY terse
-- the owner of the field may be another in this row: nobody can tell
SET ownership.system = 'erp';
UPDATE broken SET v = 'x' WHERE id = 2;
-- a filter that cannot even be compiled refuses every write to the table
ALTER TABLE broken DROP COLUMN n;
\set VERBOSITY default
UPDATE broken SET v = 'y' WHERE id = 1;
\set VERBOSITY terse
UPDATE broken SET w = 'y' WHERE id = 1;
DELETE FROM broken WHERE id = 1;
SELECT risk, relation, column_name, systems, detail FROM ownership.risks WHERE risk = 'broken_mirror';
-- maintenance can go on, and the map can be put right
SET ownership.enforcement = off;
UPDATE broken SET w = 'z' WHERE id = 1;
RESET ownership.enforcement;
UPDATE ownership.row_owner SET row_filter = 'id = 1' WHERE table_name = 'broken';
UPDATE broken SET v = 'y' WHERE id = 2;
UPDATE broken SET v = 'y' WHERE id = 1;
SELECT * FROM broken ORDER BY id;
SELECT count(*) FROM ownership.risks WHERE risk = 'broken_mirror';
-- a function that is dropped, and one that became volatile
DO $$ BEGIN PERFORM ownership.assign_rows('broken', '{v}', 'shop', 'public.shouts(v)'); END $$;
ALTER FUNCTION shouts(text) VOLATILE;
UPDATE broken SET v = 'q' WHERE id = 2;
SELECT relation, column_name, detail FROM ownership.risks WHERE risk = 'broken_mirror' ORDER BY relation COLLATE "C";
DROP FUNCTION shouts(text);
UPDATE broken SET v = 'q' WHERE id = 2;
SELECT relation, column_name, detail FROM ownership.risks WHERE risk = 'broken_mirror' ORDER BY relation COLLATE "C";
DELETE FROM ownership.row_owner WHERE row_filter LIKE 'public.shouts%';
UPDATE broken SET v = 'q' WHERE id = 2;

-- What is no filter.
CREATE TABLE f (id int PRIMARY KEY, n int, t text, b boolean, g int GENERATED ALWAYS AS (n + 1) STORED, "select" text);
DO $$ BEGIN PERFORM ownership.assign('f', '{id,n,t,b,select}', 'erp'); END $$;
CREATE FUNCTION try_filter(filter text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ownership.assign_rows('f', '{t}', 'shop', filter);
	DELETE FROM ownership.row_owner WHERE table_name = 'f';
	RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || CASE WHEN SQLERRM LIKE 'syntax error%' THEN 'syntax error' ELSE SQLERRM END;
END $$;
SELECT filter, try_filter(filter) FROM unnest(ARRAY[
	-- what is one
	'true', 'b', 'NOT b AND n > 1', 'f.n = 1', 't LIKE ''a%'' OR "select" IS NULL', 'NULL', '(n, id) = (1, 2)',
	'lower(t) = ''x''', 'n = 1 /* comment */', 'CASE WHEN b THEN n > 1 ELSE n < 1 END',
	'current_user = ''x''', 't::date < current_date',
	-- of another type, or about something else
	'n', '''yes''', 't', 'nosuch = 1', 'other.n = 1', 'nosuch(n)', 'public.f.n = 1', '', ' ', ';', '*', 'f.*', 'n AS x',
	'n =', 'n = 1)', '(n = 1',
	-- not over the row alone, or not the same at each look
	'n = (SELECT 1)', 'EXISTS (SELECT)', 'n IN (SELECT id FROM f)', 'random() > 0.5', 'clock_timestamp() > now()', 'nextval(''s'') > 0',
	'count(*) > 1', 'sum(n) > 1', 'row_number() OVER () = 1', 'generate_series(1, n) = 1', 'n = $1', 'set_config(''a.b'', ''c'', false) = ''c''',
	'pg_sleep(1) IS NULL', 'ctid = ''(0,1)''', 'tableoid = 1', 'xmin IS NULL', 'g = 1', 'f.g = 1', 'f IS NOT NULL',
	-- more than an expression
	'true) or (true', 'true from pg_class', 'true; DROP TABLE f', 'true UNION SELECT true', 'true WHERE true', 'true, false', 'true LIMIT 1',
	'true -- comment', 'true ORDER BY 1', 'true GROUP BY n', 'true FOR UPDATE', 'DISTINCT true', 'ALL true', 'true INTO x', 'n := 1', 'true HAVING true',
	'WITH x AS (SELECT 1) SELECT true', 'SELECT true', 'true WINDOW w AS ()', 'VALUES (true)', 'DELETE FROM f', 'TABLE f'
]) filter;
SELECT count(*) FROM ownership.row_owner WHERE table_name = 'f';
-- whoever inserts the row himself is told the same; what is not there yet is data
INSERT INTO ownership.row_owner VALUES ('public', 'f', 't', 1, 'true from pg_class', 'shop');
INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field) VALUES ('public', 'later', 't', 'f', 't');
INSERT INTO ownership.row_owner VALUES ('public', 'later', 't', 1, 'nosuch IS NULL', 'shop');
CREATE TABLE later (t text);
SELECT detail FROM ownership.risks WHERE risk = 'broken_mirror';
-- nobody's search_path can put another operator into a filter
CREATE SCHEMA trap;
CREATE FUNCTION trap.always(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR trap.= (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.always);
CREATE FUNCTION trap.lower(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'x' $$;
SET search_path = trap, public, pg_catalog;
DO $$ BEGIN
	PERFORM ownership.assign_rows('f', '{t}', 'shop', 'n = 1');
	PERFORM ownership.assign_rows('f', '{t}', 'shop', $f$lower(t) = 'x'$f$);
END $$;
SET ownership.system = 'erp';
INSERT INTO f (id, n, t) VALUES (1, 2, 'y');
SET ownership.system = 'shop';
UPDATE f SET t = 'z';
RESET search_path;
-- columns and their names: the filter follows a rename
ALTER TABLE f RENAME n TO m;
SELECT row_filter FROM ownership.row_owner WHERE table_name = 'f';
SET ownership.system = 'erp';
UPDATE f SET t = 'y2';
ALTER TABLE f RENAME m TO n;
UPDATE f SET t = 'z' RETURNING t;
-- another type of the column: the filter is compiled anew
ALTER TABLE f DROP COLUMN g, ALTER n TYPE bigint;
UPDATE f SET t = 'a' RETURNING t;
UPDATE f SET n = 1;
UPDATE f SET t = 'b' RETURNING t;

RESET ownership.system;
DROP VIEW evidence;
DROP EXTENSION ownership CASCADE;
DROP SEQUENCE looks;
DROP TABLE orders, price, rule, attr, ticket, shout, broken, f, later;
DROP FUNCTION to_paid, who, try_filter;
DROP SCHEMA trap CASCADE;
