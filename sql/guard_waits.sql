-- Values that wait for a row: parked, remembered, and how they land in the row.
CREATE EXTENSION ownership;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE ROLE regress_crm;
CREATE ROLE regress_steward;
\set VERBOSITY terse
\pset null '-'
\o /dev/null
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp');
SELECT ownership.add_system('pim', 'pim', role => 'regress_pim');
SELECT ownership.add_system('crm', 'crm', role => 'regress_crm');
SELECT ownership.identify(NULL, role => 'regress_steward', steward => true);
\o
CREATE TABLE product (sku text PRIMARY KEY, price numeric, stock int DEFAULT 0, title text, descr text, note text,
	code int UNIQUE, rank int CHECK (rank > 0), total int GENERATED ALWAYS AS (rank * 2) STORED, free text, origin text);
CREATE TABLE part (id int PRIMARY KEY, sku text REFERENCES product ON DELETE CASCADE, colour text);
GRANT ALL ON product, part TO regress_erp, regress_pim, regress_crm, regress_steward;
GRANT SELECT, UPDATE (resolution) ON ownership.conflict TO regress_steward;
\o /dev/null
SELECT ownership.assign('product', '{sku,price,stock}', 'erp', policy => 'keep');
SELECT ownership.assign('product', '{title,descr,code,rank}', 'pim', policy => 'keep');
SELECT ownership.assign('product', '{note}', 'crm', policy => 'keep');
SELECT ownership.assign('part', '{id,sku}', 'erp', policy => 'keep');
SELECT ownership.assign('part', '{colour}', 'pim', policy => 'keep');
\o
CREATE VIEW evidence AS
SELECT outcome, operation AS op, system, row_key, columns, stored, proposed, resolution, problem FROM ownership.conflict ORDER BY id;
CREATE PROCEDURE clear() LANGUAGE sql AS $$
	DELETE FROM ownership.conflict;
$$;

-- Parked: one row of evidence for each row and system; the newest value of a field counts
SET ROLE regress_pim;
INSERT INTO product (sku, title, descr) VALUES ('A1', 'Chair', 'Four legs');
INSERT INTO product (sku, title) VALUES ('A1', 'Stool');
INSERT INTO product (sku, title) VALUES ('A1', 'Stool');
-- what it says of others' fields is discarded; naming the key is no write, and a NULL is not said
INSERT INTO product (sku, title, price, free) VALUES ('A2', 'Table', 5, 'x');
INSERT INTO product (sku, title) VALUES ('A3', NULL);
SET ROLE regress_crm;
INSERT INTO product (sku, note) VALUES ('A1', 'sold');
COPY product (sku, note) FROM stdin;
A2	copied
A4	copied
\.
MERGE INTO product p USING (VALUES ('A4', 'merged')) v(sku, note) ON p.sku = v.sku
	WHEN MATCHED THEN UPDATE SET note = v.note WHEN NOT MATCHED THEN INSERT (sku, note) VALUES (v.sku, v.note);
INSERT INTO product (sku, note) VALUES ('A5', 'upsert') ON CONFLICT (sku) DO UPDATE SET note = excluded.note;
INSERT INTO product (sku, note) VALUES ('A5', 'ignored') ON CONFLICT DO NOTHING;
WITH a AS (INSERT INTO product (sku, note) VALUES ('A6', 'cte')) SELECT;
RESET ROLE;
TABLE evidence;
SELECT count(*) FROM product;

-- What nobody owns cannot wait. Of a field on the map it is discarded; of a column off the map it is in the evidence
-- that waits, and accept() creates the row with it
BEGIN;
\o /dev/null
SELECT ownership.assign('product', '{origin}', NULL);
\o
SET LOCAL ROLE regress_pim;
INSERT INTO product (sku, free) VALUES ('A7', 'y');
INSERT INTO product (sku, free) VALUES ('A7', 'z');
INSERT INTO product (sku, title, origin) VALUES ('A7', 'Shelf', 'IT');
INSERT INTO product (sku, title, origin) VALUES ('A7', 'Shelf', 'IT');
RESET ROLE;
SELECT * FROM evidence WHERE row_key @> '{"sku": "A7"}';
SELECT row_key, column_name, system, value, why FROM ownership.waiting WHERE row_key ->> 'sku' IN ('A3', 'A7');
SET LOCAL ROLE regress_steward;
SELECT ownership.accept(id) FROM ownership.conflict WHERE outcome = 'parked' AND row_key @> '{"sku": "A7"}';
SELECT ownership.accept(id) FROM ownership.conflict WHERE outcome = 'parked' AND row_key @> '{"sku": "A3"}';
RESET ROLE;
SELECT sku, title, origin, free FROM product ORDER BY sku;
SELECT column_name, system, refused, stored FROM ownership.disagreements WHERE row_key @> '{"sku": "A7"}' ORDER BY table_schema COLLATE "C", table_name COLLATE "C", row_key, column_name COLLATE "C", conflict_id;
SET LOCAL ROLE regress_steward;
SELECT ownership.accept(id) FROM ownership.conflict WHERE outcome = 'discarded' AND row_key @> '{"sku": "A7"}';
RESET ROLE;
SELECT sku, title, origin, free FROM product ORDER BY sku;
SELECT field, risk, systems FROM ownership.risks WHERE risk IN ('contested', 'undeclared_writer', 'silent_owner') AND relation = 'product';
ROLLBACK;

-- Applied: over SQL at the statement's end, so that RETURNING does not show it
SET ROLE regress_erp;
INSERT INTO product (sku, price) VALUES ('A1', 10), ('A2', 20) RETURNING sku, price, title;
COPY product (sku, price) FROM stdin;
A4	40
\.
INSERT INTO product (sku, price) VALUES ('A5', 50) ON CONFLICT (sku) DO UPDATE SET price = excluded.price;
RESET ROLE;
SELECT sku, price, stock, title, descr, note, free FROM product ORDER BY sku;
SELECT outcome, system, row_key, columns, resolution FROM evidence;
-- one that another statement finds
SET ROLE regress_erp;
INSERT INTO product (sku, price) VALUES ('A7', 1);
UPDATE product SET sku = 'A6' WHERE sku = 'A7';
RESET ROLE;
SELECT sku, price, note FROM product WHERE sku IN ('A6', 'A7');
CALL clear();

-- a default that no statement names is not brought, also if it is not constant
BEGIN;
CREATE TABLE made (id int PRIMARY KEY, seen timestamptz DEFAULT now(), memo text DEFAULT session_user);
GRANT ALL ON made TO regress_erp, regress_crm;
\o /dev/null
SELECT ownership.assign('made', '{id}', 'erp', policy => 'keep'), ownership.assign('made', '{seen}', 'crm', policy => 'keep'),
	ownership.assign('made', '{memo}', 'crm', policy => 'observe');
\o
SET LOCAL ROLE regress_erp;
INSERT INTO made (id) VALUES (1);
SET LOCAL ROLE regress_crm;
UPDATE made SET seen = '2026-01-02 03:04 UTC', memo = 'called';
SET LOCAL ROLE regress_erp;
DELETE FROM made;
INSERT INTO made (id) VALUES (1);
RESET ROLE;
SELECT id, seen = '2026-01-02 03:04 UTC' AS seen, memo FROM made;
SELECT outcome, columns FROM evidence WHERE row_key = '{"id": 1}';
-- one that is named is
SET LOCAL ROLE regress_erp;
DELETE FROM made;
INSERT INTO made (id, memo) VALUES (1, 'of erp');
RESET ROLE;
SELECT id, seen = '2026-01-02 03:04 UTC' AS seen, memo FROM made;
ROLLBACK;

-- Remembered, by DELETE; what nobody owns goes with the row
SET ROLE regress_pim;
UPDATE product SET rank = 3 WHERE sku = 'A1';
SET ROLE regress_steward;
UPDATE product SET free = 'free' WHERE sku = 'A1';
SET ROLE regress_erp;
DELETE FROM product WHERE sku = 'A1';
RESET ROLE;
TABLE evidence;
SET ROLE regress_erp;
INSERT INTO product (sku, price) VALUES ('A1', 11);
RESET ROLE;
SELECT sku, price, stock, title, descr, note, rank, total, free FROM product WHERE sku = 'A1';
SELECT outcome, resolution FROM evidence;
CALL clear();
-- in one transaction nothing of it is left
SET ROLE regress_erp;
BEGIN;
DELETE FROM product;
INSERT INTO product (sku, price) VALUES ('A1', 12), ('A2', 22);
COMMIT;
RESET ROLE;
SELECT sku, price, title, note FROM product ORDER BY sku;
SELECT row_key, stored FROM evidence WHERE outcome = 'remembered' AND resolution IS NULL;
SELECT count(*) FROM evidence WHERE resolution IS NOT NULL;
CALL clear();
-- TRUNCATE
SET ROLE regress_erp;
BEGIN;
TRUNCATE product, part;
COPY product (sku, price) FROM stdin;
A1	13
A2	23
\.
COMMIT;
SELECT sku, price, title, note FROM product ORDER BY sku;
RESET ROLE;
SELECT count(*) FROM evidence;
-- a CTE that deletes and inserts; a function; a savepoint
SET ROLE regress_erp;
WITH d AS (DELETE FROM product WHERE sku = 'A1' RETURNING sku) INSERT INTO product (sku, price) SELECT 'A9', 1 FROM d;
CREATE FUNCTION pg_temp.recreate(text, numeric) RETURNS void LANGUAGE sql AS 'INSERT INTO product (sku, price) VALUES ($1, $2)';
SELECT pg_temp.recreate('A1', 14);
DROP FUNCTION pg_temp.recreate;
BEGIN;
SAVEPOINT s;
DELETE FROM product WHERE sku = 'A2';
ROLLBACK TO s;
DELETE FROM product WHERE sku = 'A2';
SAVEPOINT s;
INSERT INTO product (sku, price) VALUES ('A2', 24);
ROLLBACK TO s;
INSERT INTO product (sku, price) VALUES ('A2', 25);
COMMIT;
RESET ROLE;
SELECT sku, price, title, note FROM product ORDER BY sku;
SELECT outcome, row_key, resolution FROM evidence;
CALL clear();

-- A value of the owner itself is what the creator says, not what was remembered
SET ROLE regress_pim;
DELETE FROM product WHERE sku = 'A1';
UPDATE product SET title = 'mine' WHERE sku = 'A1';
RESET ROLE;
UPDATE ownership.field SET policy = 'create_only' WHERE entity = 'product' AND name = 'sku';
SET ROLE regress_erp;
DELETE FROM product WHERE sku = 'A1';
SET ROLE regress_pim;
INSERT INTO product (sku, title) VALUES ('A1', NULL);
RESET ROLE;
SELECT sku, price, title, descr, note FROM product WHERE sku = 'A1';
SELECT outcome, op, system, columns, resolution FROM evidence;
CALL clear();
-- what fill and create_only would let the creator bring is kept out; what observe lets through stands
UPDATE ownership.field SET policy = CASE name WHEN 'title' THEN 'fill' WHEN 'descr' THEN 'create_only' WHEN 'note' THEN 'observe' ELSE 'keep' END
WHERE entity = 'product' AND name IN ('title', 'descr', 'note', 'sku');
SET ROLE regress_pim;
INSERT INTO product (sku, title, descr) VALUES ('B1', 'pim title', 'pim descr');
SET ROLE regress_crm;
INSERT INTO product (sku, note) VALUES ('B1', 'crm note');
SET ROLE regress_erp;
INSERT INTO product (sku, title, descr, note) VALUES ('B1', 'erp title', 'erp descr', 'erp note');
RESET ROLE;
SELECT sku, title, descr, note FROM product WHERE sku = 'B1';
TABLE evidence;
CALL clear();
-- a steward's values stand, and take the rest
SET ROLE regress_pim;
INSERT INTO product (sku, title, descr) VALUES ('B2', 'pim title', 'pim descr');
SET ROLE regress_steward;
INSERT INTO product (sku, title) VALUES ('B2', 'steward title');
RESET ROLE;
SELECT sku, title, descr FROM product WHERE sku = 'B2';
SELECT outcome, columns, resolution FROM evidence;
CALL clear();
-- who does not own the field any more
SET ROLE regress_pim;
INSERT INTO product (sku, title, descr) VALUES ('B3', 'pim title', 'pim descr');
RESET ROLE;
UPDATE ownership.field SET owner = 'crm' WHERE entity = 'product' AND name = 'title';
SET ROLE regress_erp;
INSERT INTO product (sku) VALUES ('B3');
RESET ROLE;
SELECT sku, title, descr FROM product WHERE sku = 'B3';
SELECT outcome, columns, resolution FROM evidence;
UPDATE ownership.field SET owner = 'pim' WHERE entity = 'product' AND name = 'title';
CALL clear();

-- A value that does not fit never fails the creator's statement
SET ROLE regress_pim;
INSERT INTO product (sku, title, code, rank) VALUES ('C1', 'c1', 1, 1), ('C2', 'c2', 1, 2), ('C3', 'c3', 3, -1);
SET ROLE regress_erp;
INSERT INTO product (sku, price) VALUES ('C1', 1), ('C2', 2), ('C3', 3);
RESET ROLE;
SELECT sku, price, title, code, rank, total FROM product WHERE sku ~ '^C' ORDER BY sku;
TABLE evidence;
-- apply_waiting() tries again
SELECT ownership.apply_waiting();
UPDATE product SET code = 10 WHERE sku = 'C1';
SET ROLE regress_pim;
UPDATE product SET code = 10 WHERE sku = 'C1';
SELECT ownership.apply_waiting('product');
RESET ROLE;
SELECT ownership.apply_waiting('product');
SELECT sku, price, title, code, rank, total FROM product WHERE sku ~ '^C' ORDER BY sku;
SELECT row_key, columns, resolution, problem FROM evidence;
SET ownership.enforcement = observe;
SELECT ownership.apply_waiting('product');
RESET ownership.enforcement;
CALL clear();

-- With enforcement off or observe nothing waits and nothing is applied
SET ROLE regress_pim;
INSERT INTO product (sku, title) VALUES ('D1', 'd1');
RESET ROLE;
SET ownership.enforcement = observe;
SET ownership.system = 'erp';
INSERT INTO product (sku, price) VALUES ('D1', 1);
DELETE FROM product WHERE sku = 'C1';
SET ownership.enforcement = off;
INSERT INTO product (sku, price) VALUES ('D2', 1);
DELETE FROM product WHERE sku = 'C2';
RESET ownership.enforcement;
RESET ownership.system;
SELECT sku, title FROM product WHERE sku ~ '^D' ORDER BY sku;
SELECT outcome, row_key, resolution FROM evidence;
SELECT ownership.apply_waiting('product');
SELECT sku, title FROM product WHERE sku ~ '^D' ORDER BY sku;
SELECT outcome, row_key, resolution FROM evidence;
CALL clear();

-- How long: until the transaction ends; sensitive fields always
UPDATE ownership.mirrored_table SET remember = '0' WHERE table_name = 'product';
SET ROLE regress_erp;
BEGIN;
DELETE FROM product WHERE sku = 'D1';
INSERT INTO product (sku, price) VALUES ('D1', 2);
COMMIT;
SELECT sku, price, title FROM product WHERE sku = 'D1';
DELETE FROM product WHERE sku = 'D1';
RESET ROLE;
TABLE evidence;
SET ROLE regress_erp;
INSERT INTO product (sku, price) VALUES ('D1', 3);
RESET ROLE;
SELECT sku, price, title FROM product WHERE sku = 'D1';
UPDATE ownership.mirrored_table SET remember = NULL WHERE table_name = 'product';
UPDATE ownership.field SET sensitive = true WHERE entity = 'product' AND name = 'note';
SET ROLE regress_pim;
UPDATE product SET title = 'd1' WHERE sku = 'D1';
SET ROLE regress_crm;
UPDATE product SET note = 'secret' WHERE sku = 'D1';
SET ROLE regress_erp;
BEGIN;
DELETE FROM product WHERE sku = 'D1';
INSERT INTO product (sku, price) VALUES ('D1', 3);
COMMIT;
SELECT sku, price, title, note FROM product WHERE sku = 'D1';
DELETE FROM product WHERE sku = 'D1';
RESET ROLE;
TABLE evidence;
SET ROLE regress_erp;
INSERT INTO product (sku, price) VALUES ('D1', 4);
RESET ROLE;
SELECT sku, price, title, note FROM product WHERE sku = 'D1';
CALL clear();
-- until a time: what has expired is not applied
UPDATE ownership.mirrored_table SET remember = '1 hour' WHERE table_name = 'product';
SET ROLE regress_erp;
DELETE FROM product WHERE sku = 'D1';
RESET ROLE;
UPDATE ownership.conflict SET recorded_at = now() - interval '61 minutes';
SET ROLE regress_erp;
INSERT INTO product (sku, price) VALUES ('D1', 5);
RESET ROLE;
SELECT sku, price, title FROM product WHERE sku = 'D1';
CALL clear();

-- Cascades: what a child row contained waits, too
SET ROLE regress_erp;
INSERT INTO part VALUES (1, 'D1');
SET ROLE regress_pim;
UPDATE part SET colour = 'red' WHERE id = 1;
SET ROLE regress_erp;
DELETE FROM product WHERE sku = 'D1';
RESET ROLE;
SELECT outcome, row_key, stored FROM evidence;
SET ROLE regress_erp;
INSERT INTO product (sku) VALUES ('D1');
INSERT INTO part VALUES (1, 'D1');
RESET ROLE;
TABLE part;
CALL clear();

-- Users' triggers run as the creator; the creator needs no privilege on the column
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% % by %: % -> %', TG_WHEN, TG_OP, current_user, OLD.title, NEW.title;
	RETURN NEW;
END $$;
CREATE TRIGGER tell_before BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER tell_title AFTER UPDATE OF title ON product FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER tell_note AFTER UPDATE OF note ON product FOR EACH ROW EXECUTE FUNCTION tell();
REVOKE ALL ON product FROM regress_erp;
GRANT INSERT (sku, price) ON product TO regress_erp;
ALTER TABLE product ENABLE ROW LEVEL SECURITY;
CREATE POLICY creates ON product FOR INSERT TO regress_erp WITH CHECK (true);
CREATE POLICY pim ON product TO regress_pim USING (true);
SET ROLE regress_pim;
INSERT INTO product (sku, title) VALUES ('E1', 'e1');
SET ROLE regress_erp;
INSERT INTO product (sku, price) VALUES ('E1', 1);
RESET ROLE;
SELECT sku, price, title FROM product WHERE sku = 'E1';
ALTER TABLE product DISABLE ROW LEVEL SECURITY;
DROP POLICY creates ON product;
DROP POLICY pim ON product;
DROP TRIGGER tell_before ON product;
DROP TRIGGER tell_title ON product;
DROP TRIGGER tell_note ON product;
CALL clear();

-- Partitions; a move is no delete
CREATE TABLE stock (region text, id int, qty int, bin text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE stock_eu PARTITION OF stock FOR VALUES IN ('eu');
CREATE TABLE stock_us (bin text, qty int, id int NOT NULL, region text NOT NULL);
ALTER TABLE stock ATTACH PARTITION stock_us FOR VALUES IN ('us');
GRANT ALL ON stock TO regress_erp, regress_pim;
\o /dev/null
SELECT ownership.assign('stock', '{region,id,qty}', 'erp', policy => 'keep');
SELECT ownership.assign('stock', '{bin}', 'pim', policy => 'keep');
\o
SET ROLE regress_pim;
INSERT INTO stock (region, id, bin) VALUES ('eu', 1, 'e1'), ('us', 1, 'u1'), ('us', 2, 'u2');
SET ROLE regress_erp;
INSERT INTO stock VALUES ('eu', 1, 10), ('us', 1, 20);
COPY stock (region, id, qty) FROM stdin;
us	2	30
\.
SELECT tableoid::regclass, region, id, qty, bin FROM stock ORDER BY region, id;
UPDATE stock SET region = 'us', id = 9 WHERE region = 'eu';
SELECT tableoid::regclass, region, id, qty, bin FROM stock ORDER BY region, id;
RESET ROLE;
SELECT outcome, row_key, columns, resolution FROM evidence;
SET ROLE regress_erp;
BEGIN;
DELETE FROM stock;
INSERT INTO stock SELECT r, i, 7 FROM (VALUES ('us', 1), ('us', 2), ('us', 9)) v(r, i);
COMMIT;
SELECT tableoid::regclass, region, id, qty, bin FROM stock ORDER BY region, id;
BEGIN;
TRUNCATE stock;
INSERT INTO stock SELECT r, i, 8 FROM (VALUES ('us', 1), ('us', 2), ('us', 9)) v(r, i);
COMMIT;
SELECT tableoid::regclass, region, id, qty, bin FROM stock ORDER BY region, id;
RESET ROLE;
SELECT outcome, row_key, resolution FROM evidence WHERE outcome = 'remembered';
CALL clear();

-- A key that a default makes brings nothing back
CREATE TABLE ticket (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, subject text, state text);
GRANT ALL ON ticket TO regress_erp, regress_pim;
\o /dev/null
SELECT ownership.assign('ticket', '{id,subject}', 'erp', policy => 'keep');
SELECT ownership.assign('ticket', '{state}', 'pim', policy => 'keep');
\o
SET ROLE regress_erp;
INSERT INTO ticket (subject) VALUES ('a');
SET ROLE regress_pim;
UPDATE ticket SET state = 'open' WHERE id = 1;
SET ROLE regress_erp;
DELETE FROM ticket;
RESET ROLE;
ALTER SEQUENCE ticket_id_seq RESTART;
SET ROLE regress_erp;
INSERT INTO ticket (subject) VALUES ('b');
SELECT * FROM ticket;
DELETE FROM ticket;
INSERT INTO ticket (id, subject) VALUES (1, 'c');
SELECT * FROM ticket;
RESET ROLE;
-- nor does a row without its key wait
SET ROLE regress_pim;
INSERT INTO ticket (state) VALUES ('x');
RESET ROLE;
SELECT outcome, row_key, columns, resolution FROM evidence;
CALL clear();

-- Where no unique index has the key, nothing waits
CREATE TABLE loose (id int PRIMARY KEY, sku text, title text);
GRANT ALL ON loose TO regress_erp, regress_pim;
\o /dev/null
SELECT ownership.assign('loose', '{sku}', 'erp', policy => 'keep');
SELECT ownership.assign('loose', '{title}', 'pim', policy => 'keep');
UPDATE ownership.field SET key = true WHERE entity = 'loose' AND name = 'sku';
\o
SET ROLE regress_pim;
INSERT INTO loose VALUES (1, 'S1', 't');
RESET ROLE;
SELECT outcome, row_key, columns FROM evidence;
CREATE UNIQUE INDEX ON loose (sku);
SET ROLE regress_pim;
INSERT INTO loose VALUES (1, 'S1', 't');
SET ROLE regress_erp;
INSERT INTO loose VALUES (7, 'S1');
RESET ROLE;
TABLE loose;
SELECT outcome, row_key, columns, resolution FROM evidence;

-- A creator that sends back what waits for the row has nothing refused: no evidence and no notice; another value is kept out.
CALL clear();
CREATE TABLE whole (id int PRIMARY KEY, price numeric, title text DEFAULT '-', size numeric, street text, city text);
GRANT ALL ON whole TO regress_erp, regress_pim;
\o /dev/null
SELECT ownership.assign('whole', '{id,price}', 'erp', policy => 'keep');
SELECT ownership.assign('whole', '{title,size}', 'pim', policy => 'keep');
SELECT ownership.assign('whole', '{street,city}', 'pim', policy => 'keep', column_group => 'address');
\o
SET ROLE regress_pim;
INSERT INTO whole (id, title, size, street, city) VALUES (1, 'Chair', 1.50, 'Wall St', 'NY'), (2, 'Table', 2, 'Wall St', 'NY'), (3, 'Lamp', 3, 'Wall St', 'NY');
SET ROLE regress_erp;
INSERT INTO whole VALUES (1, 10, 'Chair', 1.5, 'Wall St', 'NY');
INSERT INTO whole VALUES (2, 20, 'Desk', 2.0, 'Wall St', 'Boston');
COPY whole FROM stdin;
3	30	Lamp	3.0	Wall St	NY
\.
RESET ROLE;
SELECT * FROM whole ORDER BY id;
SELECT outcome, row_key, columns, proposed, resolution FROM evidence;
-- all is deleted and inserted as it was, in one transaction and in two
CALL clear();
SET ROLE regress_erp;
BEGIN;
CREATE TEMP TABLE load ON COMMIT DROP AS TABLE whole;
DELETE FROM whole;
INSERT INTO whole TABLE load;
COMMIT;
CREATE TEMP TABLE load AS TABLE whole;
DELETE FROM whole;
MERGE INTO whole w USING load l ON w.id = l.id WHEN NOT MATCHED THEN INSERT VALUES (l.id, l.price + 1, l.title, l.size, l.street, l.city);
DROP TABLE load;
RESET ROLE;
SELECT * FROM whole ORDER BY id;
SELECT outcome, row_key, columns, proposed, resolution FROM evidence;
DROP TABLE whole;

-- NULL is a value where rows get another one by default: DELETE, TRUNCATE
CREATE TABLE cleared (id int PRIMARY KEY, price int, title text DEFAULT 'untitled', descr text);
GRANT ALL ON cleared TO regress_erp, regress_pim;
\o /dev/null
SELECT ownership.assign('cleared', '{id,price}', 'erp', policy => 'keep');
SELECT ownership.assign('cleared', '{title,descr}', 'pim', policy => 'keep');
\o
CALL clear();
SET ROLE regress_erp;
INSERT INTO cleared (id, price) VALUES (1, 1), (2, 1), (3, 1);
SET ROLE regress_pim;
UPDATE cleared SET title = NULL WHERE id < 3;
SET ROLE regress_erp;
DELETE FROM cleared WHERE id = 1;
INSERT INTO cleared (id, price) VALUES (1, 2);
SELECT * FROM cleared ORDER BY id;
BEGIN;
TRUNCATE cleared;
INSERT INTO cleared (id, price) VALUES (1, 3), (2, 3);
COMMIT;
SELECT * FROM cleared ORDER BY id;
RESET ROLE;
TABLE evidence;

-- Evidence that somebody inserts by hand, or restores: sessions with a map by which nothing waits see it
BEGIN;
CALL clear();
UPDATE ownership.field SET rationale = 'the map is loaded again' WHERE entity = 'cleared';
SET ROLE regress_erp;
INSERT INTO cleared (id) VALUES (4);
RESET ROLE;
INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, proposed)
VALUES ('public', 'cleared', '{"id": 5}', 'INSERT', 'pim', 'parked', '{title}', '{"title": "by hand"}');
SET ROLE regress_erp;
INSERT INTO cleared (id) VALUES (5);
SELECT * FROM cleared WHERE id > 3 ORDER BY id;
ROLLBACK;
BEGIN;
CALL clear();
SET ROLE regress_erp;
INSERT INTO cleared (id) VALUES (4);
RESET ROLE;
COPY ownership.conflict (table_schema, table_name, row_key, operation, system, outcome, columns, stored) FROM stdin;
public	cleared	{"id": 5}	DELETE	erp	remembered	{title}	{"title": "restored"}
\.
SET ROLE regress_erp;
INSERT INTO cleared (id) VALUES (5);
SELECT * FROM cleared WHERE id > 3 ORDER BY id;
ROLLBACK;

-- A parked value ends a pin: the pinned value, which stood in the new row until then, is nobody's proposal
CALL clear();
\o /dev/null
SELECT ownership.pin_value('cleared', '{"id": 1}', 'title', 'pinned');
\o
CALL clear();
SET ROLE regress_erp;
DELETE FROM cleared WHERE id = 1;
SET ROLE regress_pim;
INSERT INTO cleared (id, title) VALUES (1, 'parked');
SET ROLE regress_erp;
INSERT INTO cleared (id, price) VALUES (1, 4);
SELECT * FROM cleared WHERE id = 1;
RESET ROLE;
TABLE evidence;
SELECT column_name, value, ended_at IS NOT NULL AS ended FROM ownership.pin;
DROP TABLE cleared;

DROP EXTENSION ownership CASCADE;
DROP FUNCTION tell;
DROP PROCEDURE clear;
DROP TABLE part, product, stock, ticket, loose;
DROP ROLE regress_erp, regress_pim, regress_crm, regress_steward;
