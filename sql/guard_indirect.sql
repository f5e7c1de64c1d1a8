-- Ways to write a table without naming it in the statement, or from within
-- something else: the row is judged all the same, and so is the writer.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE ROLE regress_pim_app IN ROLE regress_pim;
CREATE ROLE regress_owner;
CREATE TABLE product (id int PRIMARY KEY, price int, cost int, title text);
ALTER TABLE product OWNER TO regress_owner;
INSERT INTO product SELECT i, i * 10, i, 't' || i FROM generate_series(1, 5) i;
DO $$ BEGIN
	PERFORM ownership.add_system('erp', 'erp', role => 'regress_erp');
	PERFORM ownership.add_system('pim', 'pim', role => 'regress_pim');
	PERFORM ownership.assign('product', '{id,price}', 'erp');
	PERFORM ownership.assign('product', '{cost}', 'erp', policy => 'keep');
	PERFORM ownership.assign('product', '{title}', 'pim');
END $$;
CREATE VIEW evidence AS
SELECT table_name, row_key, operation, system, outcome, columns, stored, proposed
FROM ownership.conflict ORDER BY table_name COLLATE "C", row_key, id;

-- Updatable views: whoever owns the view, the session's role writes.
CREATE VIEW cheap AS SELECT id, price AS amount, cost AS expense, title AS name FROM product WHERE price <= 30 WITH CHECK OPTION;
CREATE VIEW cheaper AS SELECT name, amount, expense, id FROM cheap WHERE amount <= 20;
ALTER VIEW cheap OWNER TO regress_owner;
ALTER VIEW cheaper OWNER TO regress_owner;
GRANT ALL ON cheap, cheaper TO PUBLIC;
SET ROLE regress_pim_app;
SELECT ownership.current_system();
UPDATE cheap SET name = 'by view' WHERE id = 1;
UPDATE cheaper SET amount = 0 WHERE id = 1;
UPDATE cheaper SET amount = amount, name = 'by views', expense = 9 WHERE id = 1 RETURNING *;
INSERT INTO cheap VALUES (6, 1, 1, 'x');
DELETE FROM cheaper;
SET ROLE regress_erp;
INSERT INTO cheap (id, amount, expense) VALUES (6, 6, 6);
INSERT INTO cheap (id, amount, expense) VALUES (7, 60, 6);
INSERT INTO cheap (id, amount, expense) VALUES (6, 7, 7) ON CONFLICT (id) DO UPDATE SET amount = excluded.amount RETURNING id, amount;
UPDATE cheap SET name = 'the ERP has no names' WHERE id = 6;
DELETE FROM cheap WHERE id = 6;
RESET ROLE;
SELECT * FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- Views with INSTEAD OF triggers and rules.
CREATE VIEW card AS SELECT id, title || ': ' || price AS line FROM product;
CREATE FUNCTION card_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE product SET title = split_part(new.line, ': ', 1), price = split_part(new.line, ': ', 2)::int WHERE id = new.id;
	RETURN new;
END $$;
CREATE TRIGGER write INSTEAD OF UPDATE ON card FOR EACH ROW EXECUTE FUNCTION card_write();
CREATE VIEW label AS SELECT id, title FROM product;
CREATE RULE label_update AS ON UPDATE TO label DO INSTEAD UPDATE product SET title = new.title, cost = 0 WHERE id = old.id;
CREATE RULE label_delete AS ON DELETE TO label DO INSTEAD DELETE FROM product WHERE id = old.id;
CREATE RULE label_insert AS ON INSERT TO label DO INSTEAD
	INSERT INTO product (id, title) VALUES (new.id, new.title) ON CONFLICT (id) DO UPDATE SET title = excluded.title;
GRANT ALL ON card, label, product TO PUBLIC;
SET ROLE regress_pim;
UPDATE card SET line = 'by trigger: 20' WHERE id = 2;
UPDATE card SET line = 'by trigger: 21' WHERE id = 2;
UPDATE label SET title = 'by rule' WHERE id = 3;
INSERT INTO label VALUES (3, 'by the other rule');
INSERT INTO label VALUES (33, 'new');
DELETE FROM label WHERE id = 3;
RESET ROLE;
SELECT id, price, cost, title FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
DROP VIEW card, label;
-- a rule on the table itself, which writes another one
CREATE TABLE audit (id int, what text);
DO $$ BEGIN PERFORM ownership.assign('audit', '{what}', 'erp'); END $$;
GRANT ALL ON audit TO PUBLIC;
CREATE RULE also AS ON UPDATE TO product WHERE old.title <> new.title DO ALSO INSERT INTO audit VALUES (new.id, new.title);
SET ROLE regress_pim;
UPDATE product SET title = 'audited' WHERE id = 4;
UPDATE product SET cost = 44 WHERE id = 4;
RESET ROLE;
DROP RULE also ON product;

-- SECURITY DEFINER functions do not change who is writing; one that sets the
-- role or the system does, for those who may.
CREATE FUNCTION definer(n int, what text) RETURNS SETOF product LANGUAGE sql SECURITY DEFINER AS $$
	UPDATE product SET price = CASE what WHEN 'price' THEN 1 ELSE price END, title = CASE what WHEN 'title' THEN 'by definer' ELSE title END
	WHERE id = n RETURNING *;
$$;
ALTER FUNCTION definer OWNER TO regress_erp;
CREATE FUNCTION setter(n int) RETURNS SETOF product LANGUAGE sql SET role = regress_erp AS $$
	UPDATE product SET price = price + 1 WHERE id = n RETURNING *;
$$;
CREATE FUNCTION claims(n int) RETURNS SETOF product LANGUAGE sql SET ownership.system = 'erp' AS $$
	UPDATE product SET price = price + 1 WHERE id = n RETURNING *;
$$;
SET ROLE regress_pim;
SELECT * FROM definer(1, 'title');
SELECT * FROM definer(1, 'price');
SELECT * FROM setter(1);
SELECT * FROM claims(1);
SET ROLE regress_erp;
SELECT * FROM definer(1, 'title');
SELECT * FROM definer(1, 'price');
SELECT * FROM setter(1);
RESET ROLE;
SELECT * FROM claims(1);
-- the role changes within a transaction, and comes back with it
SET ROLE regress_erp;
BEGIN;
UPDATE product SET price = 100 WHERE id = 2;
SET LOCAL ROLE regress_pim;
UPDATE product SET title = 'role' WHERE id = 2;
SAVEPOINT s;
SET LOCAL ROLE regress_erp;
UPDATE product SET price = 101 WHERE id = 2;
ROLLBACK TO s;
SELECT ownership.current_system();
UPDATE product SET price = 102 WHERE id = 2;
ROLLBACK;
SELECT ownership.current_system();
RESET ROLE;
SELECT price, title FROM product WHERE id = 2;
-- the setting goes before the role
SET ownership.system = 'pim';
SET ROLE regress_erp;
UPDATE product SET price = 103 WHERE id = 2;
RESET ROLE;
SET ownership.system = 'erp';
UPDATE product SET price = 104 WHERE id = 2;
SET ownership.system = 'nobody at all';
UPDATE product SET price = 105 WHERE id = 2;
SELECT price FROM product WHERE id = 2;
RESET ownership.system;

-- session_replication_role = replica: AFTER triggers rest, the guard does not.
SET ownership.system = 'pim';
SET session_replication_role = replica;
UPDATE product SET title = 'replica' WHERE id = 2;
UPDATE product SET price = 0 WHERE id = 2;
UPDATE product SET cost = 0, title = 'replica!' WHERE id = 2;
INSERT INTO product VALUES (8, 8);
DELETE FROM product WHERE id = 2;
TRUNCATE product;
INSERT INTO product VALUES (2, 104, 2, 'upsert') ON CONFLICT (id) DO UPDATE SET price = excluded.price, title = excluded.title;
INSERT INTO product VALUES (2, 105, 2, 'upsert!') ON CONFLICT (id) DO UPDATE SET price = excluded.price, title = excluded.title;
INSERT INTO product VALUES (2, 105, 2, 'nothing') ON CONFLICT DO NOTHING;
SET ownership.enforcement = observe;
UPDATE product SET price = 106 WHERE id = 2;
RESET ownership.enforcement;
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'product' AND name = 'id';
DELETE FROM product WHERE id = 2;
INSERT INTO product VALUES (8, NULL, NULL, 'x');
UPDATE ownership.field SET policy = NULL WHERE entity = 'product' AND name = 'id';
RESET session_replication_role;
SELECT * FROM product WHERE id IN (2, 8);
TABLE evidence;
TRUNCATE ownership.conflict;

-- Inheritance: a parent's statement reaches its children, which have the
-- columns elsewhere.
CREATE TABLE base (id int, price int, title text);
CREATE TABLE child (extra int, title text, price int, id int);
ALTER TABLE child INHERIT base;
CREATE TABLE grandchild () INHERITS (child);
INSERT INTO base VALUES (1, 1, 'a');
INSERT INTO child VALUES (2, 'b', 2, 2);
INSERT INTO grandchild VALUES (3, 'c', 3, 3);
SET client_min_messages = warning;
DO $$ BEGIN
	PERFORM ownership.assign('base', '{id,price}', 'erp', policy => 'keep');
	PERFORM ownership.assign('base', '{title}', 'pim');
	UPDATE ownership.field SET key = (name = 'id') WHERE entity = 'base';
END $$;
RESET client_min_messages;
UPDATE base SET price = 0, title = title || '!';
UPDATE child SET price = 1, title = title || '?', extra = 1;
UPDATE ONLY grandchild SET price = 2, extra = 2;
DELETE FROM base WHERE id >= 2;
INSERT INTO grandchild (id, title) VALUES (4, 'd');
SELECT tableoid::regclass, * FROM base ORDER BY id;
SELECT * FROM grandchild;
TABLE evidence;
TRUNCATE ownership.conflict;
-- a child of two tables of the map is judged by both
CREATE TABLE other (weight int);
ALTER TABLE grandchild ADD weight int DEFAULT 30;
ALTER TABLE grandchild INHERIT other;
SET client_min_messages = warning;
DO $$ BEGIN PERFORM ownership.assign('other', '{weight}', 'erp', policy => 'keep'); END $$;
UPDATE grandchild SET price = 4, weight = 4, title = 'both' RETURNING *;
UPDATE other SET weight = 0;
UPDATE base SET price = 0;
RESET client_min_messages;
SELECT * FROM grandchild;
TRUNCATE ownership.conflict;
-- a child that comes later is guarded with it
CREATE TABLE late () INHERITS (base);
SELECT relation, guarded, problems FROM ownership.guards WHERE relation = 'base';
INSERT INTO late VALUES (5, 5, 'e');
TABLE evidence;
TRUNCATE ownership.conflict;

-- Data-modifying CTEs: each of them is judged, in one relation and in several.
WITH a AS (UPDATE product SET title = 'own' WHERE id = 1 RETURNING id)
UPDATE product SET price = 0 FROM a WHERE product.id = a.id + 1;
WITH a AS (UPDATE product SET price = 0 WHERE id = 1 RETURNING id)
UPDATE product SET title = 'own' FROM a WHERE product.id = a.id + 1;
WITH a AS (UPDATE product SET title = 'own' WHERE id = 1 RETURNING id), b AS (DELETE FROM product WHERE id = 5)
SELECT * FROM a;
WITH a AS (INSERT INTO product (id, title) VALUES (9, 'x'))
UPDATE product SET title = 'own' WHERE id = 1;
WITH a AS (UPDATE product SET cost = 0 WHERE id = 1 RETURNING id), b AS (UPDATE product SET cost = 0, title = 'b' WHERE id = 2 RETURNING id)
UPDATE product SET title = 'c' WHERE id = 3;
WITH a AS (UPDATE base SET title = 'own' WHERE id = 1 RETURNING id)
UPDATE product SET title = 'both' FROM a WHERE product.id = a.id RETURNING product.*;
SELECT id, price, cost, title FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- Triggers of one guarded table that write another, or the same one again.
CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.title = 'other' THEN UPDATE base SET price = 77 WHERE id = new.id; END IF;
	IF new.title = 'same' THEN UPDATE product SET cost = 77, title = 'next' WHERE id = new.id + 1; END IF;
	IF new.title = 'reject' THEN UPDATE product SET price = 77 WHERE id = new.id + 1; END IF;
	IF new.title = 'own' THEN UPDATE product SET title = 'next' WHERE id = new.id + 1; END IF;
	RETURN new;
END $$;
CREATE TRIGGER pass_on BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION pass_on();
UPDATE product SET title = 'other', cost = 66 WHERE id = 1;
UPDATE product SET title = 'same', cost = 67 WHERE id = 1;
UPDATE product SET title = 'reject', cost = 68 WHERE id = 1;
UPDATE product SET title = 'own', cost = 69 WHERE id = 1;
DROP TRIGGER pass_on ON product;
CREATE TRIGGER pass_on AFTER UPDATE ON product FOR EACH ROW EXECUTE FUNCTION pass_on();
UPDATE product SET title = 'same', cost = 70 WHERE id IN (1, 4);
UPDATE product SET title = 'reject' WHERE id = 1;
DROP TRIGGER pass_on ON product;
SELECT * FROM product ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;

-- PL/pgSQL: an error that is caught takes its evidence with it, what was kept
-- before stays evidence.
DO $$
BEGIN
	UPDATE product SET cost = 101 WHERE id = 1;
	BEGIN
		UPDATE product SET cost = 102, title = 'rolled back' WHERE id = 2;
		UPDATE product SET price = 102 WHERE id = 2;
	EXCEPTION WHEN insufficient_privilege THEN
		RAISE NOTICE 'caught: %', SQLERRM;
	END;
	UPDATE product SET cost = 103, title = 'goes on' WHERE id = 3;
END $$;
SELECT id, cost, title FROM product WHERE id <= 3 ORDER BY id;
TABLE evidence;
TRUNCATE ownership.conflict;
BEGIN;
UPDATE product SET cost = 201 WHERE id = 1;
SAVEPOINT a;
UPDATE product SET cost = 202 WHERE id = 2;
ROLLBACK TO a;
UPDATE product SET cost = 202 WHERE id = 2;
SAVEPOINT b;
UPDATE product SET cost = 203 WHERE id = 3;
RELEASE b;
UPDATE product SET price = 0 WHERE id = 4;
ROLLBACK TO a;
COMMIT;
SELECT row_key, proposed FROM evidence;
TRUNCATE ownership.conflict;

-- Prepared statements, with plans of their own and generic ones, across changes
-- of the map and of the writer.
PREPARE p(int, int, text) AS UPDATE product SET price = $2, title = $3 WHERE id = $1 RETURNING price, title;
SET plan_cache_mode = force_generic_plan;
EXECUTE p(1, 0, 'p');
SELECT price FROM product WHERE id = 1 \gset
EXECUTE p(1, :price, 'p');
UPDATE ownership.field SET owner = 'pim' WHERE entity = 'product' AND name = 'price';
EXECUTE p(1, 1, 'q');
UPDATE ownership.field SET owner = 'erp', policy = 'keep' WHERE entity = 'product' AND name = 'price';
EXECUTE p(1, 2, 'r');
UPDATE ownership.field SET policy = NULL WHERE entity = 'product' AND name = 'price';
EXECUTE p(1, 2, 's');
SET ownership.system = 'erp';
EXECUTE p(1, 2, 's');
EXECUTE p(1, 3, 'r');
SET ownership.system = 'pim';
ALTER TABLE product ADD COLUMN added int DEFAULT 5;
EXECUTE p(1, 4, 's');
EXECUTE p(1, 3, 's');
DO $$ BEGIN PERFORM ownership.unguard('product'); END $$;
EXECUTE p(1, 4, 't');
DO $$ BEGIN PERFORM ownership.guard('product'); END $$;
EXECUTE p(1, 5, 'u');
RESET plan_cache_mode;
-- in one transaction
BEGIN;
EXECUTE p(1, 4, 'u');
UPDATE ownership.field SET owner = 'pim' WHERE entity = 'product' AND name = 'price';
EXECUTE p(1, 6, 'v');
ROLLBACK;
EXECUTE p(1, 7, 'w');
SELECT price, title FROM product WHERE id = 1;
TRUNCATE ownership.conflict;

-- Cursors.
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM product ORDER BY id FOR UPDATE;
FETCH 2 FROM c;
UPDATE product SET title = 'current', cost = 0 WHERE CURRENT OF c RETURNING id, cost, title;
SAVEPOINT s;
UPDATE product SET price = 0 WHERE CURRENT OF c;
ROLLBACK TO s;
DELETE FROM product WHERE CURRENT OF c;
ROLLBACK TO s;
COMMIT;
TABLE evidence;
TRUNCATE ownership.conflict;

-- Functions of a query that write, one after another and nested: each
-- statement has its own notice.
CREATE FUNCTION keep_one(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN UPDATE product SET cost = -n WHERE id = n; RETURN n; END $$;
SELECT keep_one(id) FROM product ORDER BY id LIMIT 2;
UPDATE product SET cost = keep_one(id - 2) - 1000, title = 'nested' WHERE id = 3 RETURNING cost, title;
TABLE evidence;
TRUNCATE ownership.conflict;

-- EXPLAIN writes nothing, EXPLAIN ANALYZE does; CREATE TABLE AS and SELECT INTO
-- make tables of their own.
DO $$ BEGIN EXECUTE 'EXPLAIN UPDATE product SET price = 0 WHERE id = 1'; END $$;
DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE UPDATE product SET price = 0 WHERE id = 1'; END $$;
DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE UPDATE product SET title = ''analyzed'' WHERE id = 1'; END $$;
SELECT title FROM product WHERE id = 1;
CREATE TABLE copied AS SELECT * FROM product;
SELECT 'nothing was written' WHERE NOT EXISTS (SELECT FROM product WHERE price = 0);

RESET ownership.system;
DROP VIEW evidence, cheaper, cheap;
DROP EXTENSION ownership CASCADE;
DROP FUNCTION card_write, definer, setter, claims, pass_on, keep_one;
DROP TABLE product, audit, base, other, child, grandchild, late, copied;
DROP ROLE regress_erp, regress_pim, regress_pim_app, regress_owner;
