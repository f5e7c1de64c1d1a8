-- The map of a relation remembers which statements needed no guard: an INSERT, and an
-- UPDATE, of the same columns by the same writer.  Each test runs a statement twice, so
-- that this is remembered, then changes one of the things that it depends on, and runs
-- the statement, or another one, again.
CREATE EXTENSION ownership;
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET ownership.track_reads = off;
CREATE SCHEMA free;
SET search_path = free, public;
CREATE ROLE regress_pim;
CREATE ROLE regress_other;
GRANT USAGE ON SCHEMA free TO regress_pim, regress_other;
SELECT ownership.add_system('pim', 'pim', role => 'regress_pim'), ownership.add_system('erp', 'erp', role => 'regress_other') \g /dev/null
-- the PIM makes the rows, and the ERP owns the price
CREATE TABLE product (id int PRIMARY KEY, title text, price int, note text);
INSERT INTO product VALUES (1, 'a', 1, 'n'), (2, 'b', 2, 'n');
GRANT ALL ON product TO regress_pim, regress_other;
SELECT ownership.assign('product', '{id,title,note}', 'pim'), ownership.assign('product', '{price}', 'erp') \g /dev/null
CREATE PROCEDURE own(c name, owner text) LANGUAGE sql AS $$
	UPDATE ownership.field SET owner = own.owner WHERE entity = 'free.product' AND name = c
$$;

PREPARE ins(int) AS INSERT INTO product (id, title) VALUES ($1, 'new');
PREPARE upd(text) AS UPDATE product SET title = $1 WHERE id = 1;
SET plan_cache_mode = force_generic_plan;
SET ownership.system = pim;
EXECUTE ins(10); EXECUTE ins(11); EXECUTE upd('x'); EXECUTE upd('y');

-- other columns
INSERT INTO product (id, price) VALUES (12, 1);
INSERT INTO product (id, title, price) VALUES (12, 't', 1);
UPDATE product SET price = 7 WHERE id = 1;
UPDATE product SET title = 'z', price = 7 WHERE id = 1;
EXECUTE ins(12); EXECUTE upd('z');

-- who writes: by the setting, and by the role
SET ownership.system = erp;
EXECUTE ins(13); EXECUTE upd('e');
SET ownership.system = pim;
EXECUTE ins(13); EXECUTE upd('p');
RESET ownership.system;
SET ROLE regress_pim;
EXECUTE ins(14); EXECUTE upd('p'); EXECUTE ins(15); EXECUTE upd('q');
SET ROLE regress_other;
EXECUTE ins(16); EXECUTE upd('o');
RESET ROLE;
-- the superuser is no system
EXECUTE ins(16); EXECUTE upd('s');
SET ownership.system = pim;
EXECUTE ins(16); EXECUTE upd('s');

-- the map: the owner of a column, of some rows, of the key, and back
CALL own('title', 'erp');
EXECUTE ins(17); EXECUTE upd('t');
CALL own('title', 'pim');
EXECUTE ins(17); EXECUTE upd('t');
SELECT ownership.assign_rows('product', '{title}', 'erp', 'id IN (1, 18)') \g /dev/null
EXECUTE ins(18); EXECUTE upd('u'); EXECUTE ins(19);
DELETE FROM ownership.row_owner;
EXECUTE ins(18); EXECUTE upd('u');
CALL own('id', 'erp');
EXECUTE ins(20); EXECUTE upd('v');
CALL own('id', 'pim');
EXECUTE ins(20);
-- in a transaction that is rolled back
BEGIN;
CALL own('title', 'erp');
SAVEPOINT s;
EXECUTE upd('w');
ROLLBACK TO s;
ROLLBACK;
EXECUTE upd('w');
-- an identity
UPDATE ownership.identity SET system = 'erp' WHERE name = 'regress_pim';
RESET ownership.system;
SET ROLE regress_pim;
EXECUTE ins(21); EXECUTE upd('x');
RESET ROLE;
UPDATE ownership.identity SET system = 'pim' WHERE name = 'regress_pim';
SET ownership.system = pim;

-- other triggers, which give columns values that no statement names
CREATE FUNCTION derive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.price := 5; RETURN NEW; END $$;
EXECUTE ins(22); EXECUTE upd('x');
CREATE TRIGGER derive BEFORE INSERT ON product FOR EACH ROW EXECUTE FUNCTION derive();
EXECUTE ins(23); EXECUTE upd('y');
ALTER TABLE product DISABLE TRIGGER derive;
EXECUTE ins(23); EXECUTE ins(24);
ALTER TABLE product ENABLE ALWAYS TRIGGER derive;
EXECUTE ins(25);
DROP TRIGGER derive ON product;

-- a view that has a default
CREATE VIEW card AS SELECT id, title, price FROM product;
ALTER VIEW card ALTER price SET DEFAULT 5;
EXECUTE ins(25);
INSERT INTO card (id, title) VALUES (26, 'view');
EXECUTE ins(26);

-- a history: an UPDATE of others' columns may change it by a trigger
UPDATE ownership.field SET history = true WHERE entity = 'free.product' AND name = 'note';
EXECUTE upd('h'); EXECUTE upd('i');
CREATE FUNCTION derive_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := NEW.title; RETURN NEW; END $$;
CREATE TRIGGER derive_note BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION derive_note();
EXECUTE upd('j');
SELECT columns, stored, proposed FROM ownership.history ORDER BY id;
DROP TRIGGER derive_note ON product;
UPDATE ownership.field SET history = false WHERE entity = 'free.product' AND name = 'note';

-- blanks: the value decides
UPDATE ownership.field SET on_blank = 'reject' WHERE entity = 'free.product' AND name = 'title';
EXECUTE upd('j'); EXECUTE upd('k'); EXECUTE upd(''); EXECUTE upd(NULL); EXECUTE upd('l');
UPDATE ownership.field SET on_blank = NULL WHERE entity = 'free.product' AND name = 'title';
EXECUTE upd('');

-- the enforcement: a pin holds nothing in a dry run
EXECUTE upd('of the owner');
SELECT ownership.pin_value('product', '{"id": 1}', 'title', 'pinned', until => 'infinity') \g /dev/null
SET ownership.enforcement = observe;
EXECUTE upd('dry'); EXECUTE upd('dry run');
SELECT title FROM product WHERE id = 1;
SET ownership.enforcement = on;
EXECUTE upd('held');
SELECT title FROM product WHERE id = 1;
SELECT ownership.unpin('product', '{"id": 1}', 'title') \g /dev/null

-- the enforcement, too: in a dry run nothing that waits lands
SET ownership.system = erp;
UPDATE ownership.field SET policy = 'keep' WHERE entity = 'free.product' AND name = 'id';
INSERT INTO product (id, price) VALUES (30, 300), (31, 310), (32, 320);
SET ownership.system = pim;
SET ownership.enforcement = observe;
EXECUTE ins(30);
SET ownership.enforcement = on;
EXECUTE ins(31); EXECUTE ins(33); EXECUTE ins(32);
SELECT id, title, price FROM product WHERE id >= 30 ORDER BY id;
-- it waits since a moment ago
EXECUTE ins(40); EXECUTE ins(41);
BEGIN;
EXECUTE ins(42);
SET LOCAL ownership.system = erp;
INSERT INTO product (id, price) VALUES (43, 430);
SET LOCAL ownership.system = pim;
EXECUTE ins(43);
COMMIT;
SELECT id, title, price FROM product WHERE id >= 40 ORDER BY id;

-- the role that triggers fire in
EXECUTE ins(50); EXECUTE upd('r');
SET session_replication_role = replica;
EXECUTE ins(51); EXECUTE upd('s');
UPDATE product SET price = price + 1 WHERE id = 1;
INSERT INTO product (id, title, price) VALUES (52, 't', 1);
RESET session_replication_role;
UPDATE product SET price = price + 1 WHERE id = 1;
EXECUTE ins(52);

-- a table that becomes a partition, or the child of another one, is judged by that, too
CREATE TABLE part (id int, title text, price int);
CREATE TABLE whole (id int, title text, price int) PARTITION BY RANGE (id);
SELECT ownership.assign('part', '{id,title}', 'pim'), ownership.assign('whole', '{title}', 'erp') \g /dev/null
PREPARE part_ins(int) AS INSERT INTO part (id, title) VALUES ($1, 't');
PREPARE part_upd AS UPDATE part SET title = title || '!';
EXECUTE part_ins(1); EXECUTE part_ins(2); EXECUTE part_upd; EXECUTE part_upd;
SELECT ownership.unguard('part') \g /dev/null
ALTER TABLE whole ATTACH PARTITION part FOR VALUES FROM (0) TO (100);
DELETE FROM ownership.mirrored_table WHERE table_name = 'part';
EXECUTE part_ins(3); EXECUTE part_upd;
ALTER TABLE whole DETACH PARTITION part;
EXECUTE part_ins(3); EXECUTE part_upd;

-- a trigger of one partition may move rows to another, where more is owned by others
CREATE TABLE box (site int, id int, qty int, label text) PARTITION BY LIST (site);
CREATE TABLE box_1 PARTITION OF box FOR VALUES IN (1);
CREATE TABLE box_2 PARTITION OF box FOR VALUES IN (2);
SELECT ownership.assign('box', '{id,qty,label}', 'pim'), ownership.assign('box', '{site}', 'erp') \g /dev/null
SET ownership.enforcement = off;
INSERT INTO box VALUES (1, 1, 1, 'a'), (2, 2, 2, 'b');
RESET ownership.enforcement;
PREPARE box_upd AS UPDATE box SET qty = qty + 1;
EXECUTE box_upd; EXECUTE box_upd;
CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.site := 1; RETURN NEW; END $$;
CREATE TRIGGER away BEFORE UPDATE ON box_2 FOR EACH ROW EXECUTE FUNCTION away();
EXECUTE box_upd;
SELECT tableoid::regclass, * FROM box ORDER BY id;

SELECT id, title, price FROM product ORDER BY id;

RESET ownership.system;
DROP EXTENSION ownership CASCADE;
DROP SCHEMA free CASCADE;
DROP ROLE regress_pim, regress_other;
