-- An INSERT that routes rows to many partitions: the guard is called for the first rows of
-- some, and hidden in those that the statement opens later.  What it may not do there is
-- refused as ever.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET track_functions = 'all';
SET ownership.track_reads = off;
CREATE SCHEMA routed;
SET search_path = routed, public;
SELECT ownership.add_system('pim', 'pim'), ownership.add_system('erp', 'erp') \g /dev/null
-- the PIM makes the rows; the ERP owns the price; nobody owns the note
CREATE TABLE product (id int, title text, price int, note text) PARTITION BY LIST (id);
DO $$ BEGIN
	FOR i IN 1 .. 40 LOOP
		EXECUTE format('CREATE TABLE product_%s PARTITION OF product (PRIMARY KEY (id)) FOR VALUES IN (%s, %s)', i, i, i + 100);
	END LOOP;
END $$;
SELECT ownership.assign('product', '{id,title}', 'pim'), ownership.assign('product', '{price}', 'erp'),
	ownership.assign('product', '{note}', NULL) \g /dev/null
CREATE PROCEDURE own(c name, owner text) LANGUAGE sql AS $$
	UPDATE ownership.field SET owner = own.owner WHERE entity = 'routed.product' AND name = c
$$;

-- Runs a statement, tells how often the guard's functions were called and what became of it,
-- and takes it back.
CREATE FUNCTION calls(name text) RETURNS bigint LANGUAGE sql AS $$
	SELECT coalesce(pg_stat_get_xact_function_calls(('ownership.guard_' || name)::regproc), 0)
$$;
CREATE FUNCTION run(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	amends bigint := routed.calls('amend');
	judges bigint := routed.calls('judge');
	told text;
BEGIN
	BEGIN
		EXECUTE statement;
		SELECT format('%s rows, the price in %s; evidence %s', count(*), count(price),
			(SELECT string_agg(DISTINCT outcome, ' ') || ' ' || count(*) FROM ownership.conflict WHERE outcome <> 'rejected')) INTO told FROM product;
		RAISE 'back' USING ERRCODE = 'BACK0';
	EXCEPTION
		WHEN SQLSTATE 'BACK0' THEN NULL;
		WHEN OTHERS THEN told := SQLERRM;
	END;
	RETURN format('%s; calls: %s, %s', told, routed.calls('amend') - amends, routed.calls('judge') - judges);
END $$;
SET ownership.system = pim;

-- a session that has not written the partitions before knows nothing of them
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i');
-- other columns; rows that come back to partitions that are open; in no order; two partitions
SELECT run('INSERT INTO product (id, note) SELECT i, 1 FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product_7 (id, title) VALUES (7, ''own'')');
SELECT run('INSERT INTO product (id, title) SELECT 1 + i * 7 % 40, 1 FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product (id, title) SELECT 1 + i * 7 % 40, 1 FROM generate_series(1, 80) i ON CONFLICT DO NOTHING');
SELECT run('INSERT INTO product (id, title) VALUES (1, ''a''), (40, ''b'')');
SELECT run('WITH w AS (INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i) SELECT 1');
-- what is hidden from a statement is seen by the next one, also after an error
SELECT run('INSERT INTO product (id, title) SELECT i, 1 / (40 - i) FROM generate_series(1, 40) i');
INSERT INTO product_20 (id, price) VALUES (20, 1);
BEGIN;
SAVEPOINT s;
INSERT INTO product (id, title) SELECT i, 1 / (40 - i) FROM generate_series(1, 40) i;
ROLLBACK TO s;
INSERT INTO product_20 (id, price) VALUES (20, 1);
ROLLBACK;

-- what the writer does not own
SELECT run('INSERT INTO product (id, title, price) SELECT i, 1, i FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product (id, title, price) SELECT i, 1, nullif(i, 30) - i FROM generate_series(30, 1, -1) i');
UPDATE ownership.field SET policy = 'observe' WHERE name = 'price';
SELECT run('INSERT INTO product (id, title, price) SELECT i, 1, i FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product (id, title, price) SELECT i, 1, i FROM generate_series(1, 40) i');
UPDATE ownership.field SET policy = 'keep' WHERE name = 'price';
SELECT run('INSERT INTO product (id, title, price) SELECT i, 1, i FROM generate_series(1, 40) i');
UPDATE ownership.field SET policy = NULL WHERE name = 'price';
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i') \g /dev/null

-- a statement that edits the map when most partitions are open, and others are not yet
CREATE FUNCTION at(i int, what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF i = 30 THEN EXECUTE what; END IF;
	RETURN 'x';
END $$;
SELECT run('INSERT INTO product (id, title) SELECT i, at(i, ''CALL routed.own(''''title'''', ''''erp'''')'') FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i') \g /dev/null
SELECT run('INSERT INTO product (id, title) SELECT i, at(i, ''CALL routed.own(''''title'''', ''''erp'''')'') FROM (SELECT generate_series(1, 30) UNION ALL SELECT 105) v (i)');
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i') \g /dev/null
SELECT run('INSERT INTO product (id, title) SELECT i, at(i, ''SET ownership.system = erp'') FROM generate_series(1, 40) i');
SET ownership.system = pim;
SELECT run('INSERT INTO product (id, title) SELECT i, at(i, ''SELECT 1'') FROM generate_series(1, 40) i');

-- a trigger of users in some partitions, also one that the statement itself creates
CREATE FUNCTION derive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.price := 5; RETURN NEW; END $$;
CREATE TRIGGER derive BEFORE INSERT ON product_35 FOR EACH ROW EXECUTE FUNCTION derive();
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 34) i');
DROP TRIGGER derive ON product_35;
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product (id, title) SELECT i, at(i, ''CREATE TRIGGER derive BEFORE INSERT ON routed.product_35 FOR EACH ROW EXECUTE FUNCTION routed.derive()'') FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i');

-- a value that waits for a row of a partition
INSERT INTO product (id, title) VALUES (33, 'a');
SET ownership.system = erp;
UPDATE product SET price = 333 WHERE id = 33;
SET ownership.system = pim;
DELETE FROM product WHERE id = 33;
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i');
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i');
SELECT ownership.dismiss(id) FROM ownership.conflict WHERE outcome = 'remembered' \g /dev/null
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i') \g /dev/null
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 40) i');

-- partitions of partitions, one of which has its columns in another order
CREATE TABLE product_more PARTITION OF product FOR VALUES IN (41, 42, 43, 44, 45, 46) PARTITION BY LIST (id);
CREATE TABLE odd (note text, title text, id int PRIMARY KEY, price int);
ALTER TABLE product_more ATTACH PARTITION odd FOR VALUES IN (43);
CREATE TABLE product_more_a PARTITION OF product_more (PRIMARY KEY (id)) FOR VALUES IN (41, 42);
CREATE TABLE product_more_b PARTITION OF product_more (PRIMARY KEY (id)) FOR VALUES IN (44, 45);
CREATE TABLE product_more_c PARTITION OF product_more (PRIMARY KEY (id)) DEFAULT;
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 46) i') \g /dev/null
SELECT run('INSERT INTO product (id, title) SELECT i, 1 FROM generate_series(1, 46) i');
SELECT run('INSERT INTO product (id, price) SELECT i, 1 FROM generate_series(46, 1, -1) i');

-- a table of its own, whose triggers the executor does not even copy when it starts a
-- statement that was seen before: they are there when the statement edits the map
CREATE TABLE plain (id int PRIMARY KEY, title text, price int);
INSERT INTO plain (id, title) SELECT i, 'a' FROM generate_series(1, 40) i;
SELECT ownership.assign('plain', '{id,title}', 'pim'), ownership.assign('plain', '{price}', 'erp') \g /dev/null
CREATE TABLE edit (owner text);
INSERT INTO edit VALUES ('pim');
PREPARE upd AS UPDATE plain SET title = at(id, 'UPDATE ownership.field f SET owner = e.owner FROM routed.edit e WHERE entity = ''routed.plain'' AND name = ''title''');
PREPARE ins AS INSERT INTO plain (id, title) SELECT i + 100, at(i, 'UPDATE ownership.field f SET owner = e.owner FROM routed.edit e WHERE entity = ''routed.plain'' AND name = ''title''') FROM generate_series(1, 40) i;
SET plan_cache_mode = force_generic_plan;
SELECT run('EXECUTE upd'), run('EXECUTE ins');
UPDATE plain SET title = 'b'; UPDATE plain SET title = 'c';
INSERT INTO plain (id, title) VALUES (51, 'b'); INSERT INTO plain (id, title) VALUES (52, 'c');
UPDATE edit SET owner = 'erp';
SELECT run('EXECUTE upd');
UPDATE plain SET title = 'b'; UPDATE plain SET title = 'c';
INSERT INTO plain (id, title) VALUES (53, 'b'); INSERT INTO plain (id, title) VALUES (54, 'c');
SELECT run('EXECUTE ins');
-- without the privilege the statement does not start, and the next one is judged
UPDATE plain SET title = 'b'; UPDATE plain SET title = 'c';
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA routed TO regress_reader;
GRANT UPDATE (title), SELECT ON plain TO regress_reader;
SET ROLE regress_reader;
UPDATE plain SET title = 'b'; UPDATE plain SET title = 'c';
RESET ROLE;
REVOKE UPDATE (title) ON plain FROM regress_reader;
SET ROLE regress_reader;
UPDATE plain SET title = 'd';
RESET ROLE;
UPDATE plain SET price = 1;
-- a foreign key that leads back to the table: what its action writes is judged
ALTER TABLE plain ADD COLUMN above int REFERENCES plain ON UPDATE SET NULL;
SELECT ownership.assign('plain', '{above}', 'erp') \g /dev/null
SET ownership.system = erp;
UPDATE plain SET above = 1 WHERE id = 2;
SET ownership.system = pim;
UPDATE plain SET id = id + 1000 WHERE id = 3; UPDATE plain SET id = id + 1000 WHERE id = 4;
UPDATE plain SET id = id + 1000 WHERE id = 1;
SELECT id, above FROM plain WHERE above IS NOT NULL;
-- triggers for each statement
ALTER TABLE plain DROP COLUMN above;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING '% %', TG_OP, (SELECT count(*) FROM new); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER UPDATE ON plain REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION tell();
UPDATE plain SET title = 'e' WHERE id < 10; UPDATE plain SET title = 'f' WHERE id < 10; UPDATE plain SET title = 'g' WHERE id < 10;
DROP OWNED BY regress_reader;
DROP ROLE regress_reader;

DROP SCHEMA routed CASCADE;
DROP EXTENSION ownership;
