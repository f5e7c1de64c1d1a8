-- An UPDATE that names columns of other systems, but changes none of them, leaves no row
-- to the guard: AFTER fires for rows alone in which something has changed that it looks
-- at.  What it would have counted is counted all the same.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET ownership.track_reads = off;
SET track_functions = 'all';
CREATE SCHEMA saves;
SET search_path = saves, public;
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim') \g /dev/null
CREATE TABLE product (id int PRIMARY KEY, price numeric, stock int, title text, texts text, note text,
	double numeric GENERATED ALWAYS AS (price * 2) STORED);
ALTER TABLE product ALTER texts SET STORAGE EXTERNAL;
INSERT INTO product SELECT i, i, i, 'title ' || i, repeat('text ' || i, 2000), NULL FROM generate_series(1, 5) i;
SELECT ownership.assign('product', '{id,price,stock}', 'erp'), ownership.assign('product', '{title,texts}', 'pim') \g /dev/null
SET ownership.system = erp;

-- How often AFTER was called for a statement, which is rolled back; or its SQLSTATE.
CREATE FUNCTION judged(VARIADIC statements text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	before bigint := coalesce(pg_stat_get_xact_function_calls('ownership.guard_judge'::regproc), 0);
BEGIN
	FOREACH statement IN ARRAY statements LOOP
		EXECUTE statement;
	END LOOP;
	RAISE 'AFTER: %', coalesce(pg_stat_get_xact_function_calls('ownership.guard_judge'::regproc), 0) - before;
EXCEPTION
	WHEN raise_exception THEN RETURN sqlerrm;
	WHEN OTHERS THEN RETURN sqlstate || ' ' || sqlerrm;
END $$;

SELECT judged('UPDATE product SET id = id, price = price + 1, stock = stock, title = title, texts = texts') AS "save all";
SELECT judged($$UPDATE product SET id = 2, price = 7, stock = 2, title = 'title 2', texts = repeat('text 2', 2000) WHERE id = 2$$) AS "save one";
SELECT judged('UPDATE product SET price = price, title = title') AS "nothing changes";
SELECT judged($$UPDATE product SET price = 7, title = 'other' WHERE id = 2$$) AS "a title";
SELECT judged($$UPDATE product SET price = 7, title = NULL WHERE id = 2$$) AS "to NULL";
SELECT judged($$UPDATE product SET price = 7, texts = repeat('text 3', 2000) WHERE id = 2$$) AS "a toasted text";
SELECT judged($$UPDATE product SET title = title, texts = 'other' WHERE id = 2$$) AS "the second of two";
SELECT judged($$UPDATE product SET title = CASE id WHEN 5 THEN 'x' ELSE title END$$) AS "in the last row";
SELECT judged($$UPDATE product SET price = price, title = title FROM (VALUES (1)) v RETURNING title$$) AS "RETURNING";
-- numerics that are equal do not differ
SET ownership.system = pim;
SELECT judged('UPDATE product SET price = price * 1.0, title = title || $_$!$_$') AS "zeros";
SELECT judged('UPDATE product SET price = price * 1.1, title = title || $_$!$_$') AS "no zeros";
SET ownership.system = erp;

-- the policies that need AFTER only, and a steward
SET ownership.default_policy = observe;
SELECT judged($$UPDATE product SET title = CASE id WHEN 5 THEN 'x' ELSE title END$$) AS "one is observed";
SET ownership.enforcement = observe;
SELECT judged($$UPDATE product SET title = CASE id WHEN 5 THEN 'x' ELSE title END$$) AS "in a dry run";
RESET ownership.enforcement;
RESET ownership.default_policy;

-- the key: what waits for it lands; a history, and pins, need each row
SELECT judged('UPDATE product SET id = id + 10, title = title WHERE id = 1') AS "a new key";
SELECT ownership.assign('product', '{id}', 'erp', policy => 'keep') \g /dev/null
SET ownership.system = pim;
INSERT INTO product (id, title) VALUES (91, 'waits');
SET ownership.system = erp;
UPDATE product SET id = 91, title = title WHERE id = 1 RETURNING title;
SELECT title FROM product WHERE id = 91;
UPDATE product SET id = 1 WHERE id = 91;
UPDATE ownership.field SET history = true WHERE entity = 'saves.product' AND name = 'price';
UPDATE product SET price = price + 1, title = title WHERE id = 2;
SELECT columns, stored, proposed FROM ownership.history ORDER BY id;
UPDATE ownership.field SET history = false WHERE entity = 'saves.product' AND name = 'price';
SELECT ownership.pin_value('product', '{"id": 2}', 'stock', '99') \g /dev/null
UPDATE product SET stock = 2, title = title WHERE id = 2;
SELECT stock FROM product WHERE id = 2;
SELECT ownership.unpin('product', '{"id": 2}', 'stock') \g /dev/null

-- blanks, groups, and rules for some rows
UPDATE ownership.field SET on_blank = 'reject' WHERE entity = 'saves.product' AND name = 'stock';
SELECT judged('UPDATE product SET stock = NULLIF(stock, 0), title = title') AS "no blank",
	judged('UPDATE product SET stock = NULLIF(stock, 3), title = title') AS "a blank";
UPDATE ownership.field SET on_blank = NULL WHERE entity = 'saves.product' AND name = 'stock';
SELECT ownership.assign_rows('product', '{stock}', 'pim', 'id = 3') \g /dev/null
SELECT judged('UPDATE product SET stock = stock') AS "row owners", judged('UPDATE product SET stock = stock + 1 WHERE id < 3') AS "own rows",
	judged('UPDATE product SET stock = stock + 1') AS "all rows";
DELETE FROM ownership.row_owner;

-- another trigger's change of a named column; an edit of the map in the middle
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.title := upper(NEW.title); RETURN NEW; END $$;
CREATE TRIGGER shout BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION shout();
SELECT judged('UPDATE product SET price = 1') AS "not named", judged('UPDATE product SET price = 1, title = title') AS "named";
DROP TRIGGER shout ON product;
CREATE FUNCTION give_away(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
	IF i = 3 THEN
		UPDATE ownership.field SET owner = 'pim' WHERE entity = 'saves.product' AND name = 'price';
	END IF;
	RETURN i;
END $$;
SELECT judged('UPDATE product SET price = price, title = title WHERE id = 2', 'UPDATE product SET price = CASE id WHEN 5 THEN 9 ELSE price + 0 * give_away(id) END, title = title WHERE id > 2') AS "an edit",
	judged('UPDATE product SET price = price, title = title WHERE id = 2', 'UPDATE product SET price = price + 0 * give_away(id), title = title WHERE id > 2') AS "an edit, no change after it";

-- several writes in one statement, moves, inheritance
SELECT judged($$WITH a AS (UPDATE product SET price = 0, title = title WHERE id = 1) UPDATE product SET price = 0, title = title WHERE id = 2$$) AS "both own",
	judged($$WITH a AS (UPDATE product SET price = 0, title = title WHERE id = 1) UPDATE product SET price = 0, title = 'x' WHERE id = 2$$) AS "the second is not",
	judged($$WITH a AS (UPDATE product SET price = 0, title = 'x' WHERE id = 1) UPDATE product SET price = 0, title = title WHERE id = 2$$) AS "the first is not";
CREATE TABLE child (more int) INHERITS (product);
SET ownership.enforcement = off;
INSERT INTO child (id, price, title) VALUES (6, 6, 'title 6');
RESET ownership.enforcement;
SELECT judged('UPDATE product SET price = price + 1, title = title') AS "children", judged($$UPDATE product SET title = CASE id WHEN 6 THEN 'x' ELSE title END$$) AS "in a child";
CREATE TABLE stock (site int, id int, qty int, label text) PARTITION BY LIST (site);
CREATE TABLE stock_1 PARTITION OF stock FOR VALUES IN (1);
CREATE TABLE stock_2 (label text, gone int, id int, qty int, site int);
ALTER TABLE stock_2 DROP gone;
ALTER TABLE stock ATTACH PARTITION stock_2 FOR VALUES IN (2);
INSERT INTO stock VALUES (1, 1, 1, 'a'), (2, 2, 2, 'b');
SELECT ownership.assign('stock', '{site,id,qty}', 'erp'), ownership.assign('stock', '{label}', 'pim') \g /dev/null
SELECT judged('UPDATE stock SET qty = qty + 1, label = label') AS "partitions", judged($$UPDATE stock SET label = CASE id WHEN 2 THEN 'x' ELSE label END$$) AS "in the second",
	judged('UPDATE stock SET site = 3 - site, label = label WHERE id = 1') AS "a move", judged($$UPDATE stock SET site = 3 - site, label = 'x' WHERE id = 1$$) AS "a move that is not allowed";

-- what is counted: columns that changed, as AFTER counts them
SELECT ownership.flush() \g /dev/null
TRUNCATE ownership.activity;
UPDATE product SET id = id, price = price + 1, stock = stock, title = title WHERE id = 1;
SELECT ownership.flush() \g /dev/null
SELECT column_name, system, writes FROM ownership.activity WHERE table_name = 'product' AND writes > 0 ORDER BY column_name;
-- nothing, in a transaction and a subtransaction that are rolled back; each statement once
BEGIN;
UPDATE product SET price = price + 1, title = title WHERE id = 1;
ROLLBACK;
BEGIN;
UPDATE product SET stock = stock + 1, title = title;
SAVEPOINT s;
UPDATE product SET price = price + 1, title = title WHERE id = 1;
UPDATE product SET stock = stock + 1 WHERE id = 1;
ROLLBACK TO s;
UPDATE product SET stock = stock + 1 WHERE id = 1;
COMMIT;
SELECT ownership.flush() \g /dev/null
SELECT column_name, system, writes FROM ownership.activity WHERE table_name = 'product' AND writes > 0 ORDER BY column_name;
-- more than a transaction counts one by one
DO $$ BEGIN FOR i IN 1 .. 50 LOOP UPDATE product SET price = price + 1, title = title WHERE id = 1; UPDATE product SET stock = i WHERE id = 2; END LOOP; END $$;
SELECT ownership.flush() \g /dev/null
SELECT column_name, system, writes FROM ownership.activity WHERE table_name = 'product' AND writes > 0 ORDER BY column_name;

RESET ownership.system;
DROP EXTENSION ownership CASCADE;
DROP SCHEMA saves CASCADE;
