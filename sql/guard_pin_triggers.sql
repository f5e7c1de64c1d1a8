/*
 * Pins, what waits, and triggers of users that fire after the guard's: they change a
 * pinned value again, stop the UPDATE that applies a value, or put the old one back.
 */
CREATE EXTENSION ownership;
CREATE SCHEMA pt;
CREATE TABLE pt.product (sku text PRIMARY KEY, title text, price numeric, note text);
INSERT INTO pt.product VALUES ('A', 'Chair', 10), ('B', 'Desk', 20);
CREATE ROLE pt_erp;
CREATE ROLE pt_pim;
CREATE ROLE pt_crm;
GRANT USAGE ON SCHEMA pt TO pt_erp, pt_pim, pt_crm;
GRANT ALL ON ALL TABLES IN SCHEMA pt TO pt_erp, pt_pim, pt_crm;
SELECT ownership.add_system('erp', 'erp', role => 'pt_erp');
SELECT ownership.add_system('pim', 'pim', role => 'pt_pim');
SELECT ownership.add_system('crm', 'crm', role => 'pt_crm');
SELECT ownership.identify(NULL, role => current_user, steward => true);
SELECT ownership.assign('pt.product', '{sku,price}', 'erp', entity => 'product', policy => 'keep');
SELECT ownership.assign('pt.product', '{title}', 'pim', entity => 'product', policy => 'keep');
SELECT ownership.assign('pt.product', '{note}', 'crm', entity => 'product', policy => 'observe');
SELECT ownership.pin_value('pt.product', '{"sku": "A"}', 'title', 'Oak chair');
SELECT ownership.pin_value('pt.product', '{"sku": "A"}', 'price', '12');
SELECT ownership.pin_value('pt.product', '{"sku": "A"}', 'note', 'ours');
CREATE VIEW pt.pins AS SELECT row_key, column_name, value, replaced, ended_at IS NOT NULL AS ended FROM ownership.pin ORDER BY id;

-- what a later trigger puts over a pinned value is an error, with an UPDATE that names the column
CREATE FUNCTION pt.later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CASE current_setting('pt.later', true)
		WHEN 'title' THEN NEW.title := 'changed';
		WHEN 'blank' THEN NEW.title := NULL;
		WHEN 'price' THEN NEW.price := 0;
		WHEN 'note' THEN NEW.note := 'changed';
		WHEN 'old' THEN IF TG_OP = 'UPDATE' THEN NEW.title := OLD.title; END IF;
		WHEN 'upper' THEN NEW.title := upper(NEW.title);
		WHEN 'none' THEN IF TG_OP = 'UPDATE' THEN RETURN NULL; END IF;
		ELSE NULL;
	END CASE;
	RETURN NEW;
END $$;
CREATE TRIGGER zzzzz_later BEFORE INSERT OR UPDATE ON pt.product FOR EACH ROW EXECUTE FUNCTION pt.later();
SET ROLE pt_pim;
SET pt.later = 'title';
UPDATE pt.product SET title = 'Chair' WHERE sku = 'A';
SET pt.later = 'blank';
UPDATE pt.product SET title = 'Chair' WHERE sku = 'A';
-- a new value ends the pin, so that nothing is held; as with the pinned value itself
BEGIN;
SET pt.later = 'upper';
UPDATE pt.product SET title = 'Armchair' WHERE sku = 'A';
ROLLBACK;
BEGIN;
UPDATE pt.product SET title = 'Oak chair' WHERE sku = 'A';
ROLLBACK;
-- in a column that the statement does not name it is the database's doing
SET ROLE pt_erp;
SET pt.later = 'title';
BEGIN;
UPDATE pt.product SET price = 10 WHERE sku = 'A';
SELECT * FROM pt.product WHERE sku = 'A';
ROLLBACK;
SET pt.later = 'price';
UPDATE pt.product SET price = 10 WHERE sku = 'A';
-- a steward is not held
RESET ROLE;
BEGIN;
SET pt.later = 'title';
UPDATE pt.product SET title = 'Bench' WHERE sku = 'A';
SELECT * FROM pt.pins;
ROLLBACK;
-- nor is anybody in a dry run
SET ownership.enforcement = observe;
SET ROLE pt_pim;
BEGIN;
UPDATE pt.product SET title = 'Chair' WHERE sku = 'A';
SELECT title FROM pt.product WHERE sku = 'A';
ROLLBACK;
RESET ROLE;
RESET ownership.enforcement;
SELECT * FROM pt.product ORDER BY sku;

-- a row that is created anew: by an owner of pinned values, and by others
SET pt.later = 'off';
BEGIN;
SET LOCAL ROLE pt_erp;
DELETE FROM pt.product WHERE sku = 'A';
SAVEPOINT gone;
SET LOCAL pt.later = 'price';
INSERT INTO pt.product (sku, price) VALUES ('A', 10);
ROLLBACK TO gone;
SET LOCAL pt.later = 'blank';
INSERT INTO pt.product (sku, price) VALUES ('A', 10);
ROLLBACK TO gone;
SET LOCAL pt.later = 'title';
INSERT INTO pt.product (sku, price) VALUES ('A', 10) ON CONFLICT (sku) DO UPDATE SET price = EXCLUDED.price;
ROLLBACK TO gone;
-- where the policy lets others in, they may
SET LOCAL pt.later = 'note';
INSERT INTO pt.product (sku, price, note) VALUES ('A', 10, 'erp');
SELECT * FROM pt.product WHERE sku = 'A';
ROLLBACK TO gone;
SET LOCAL pt.later = 'off';
INSERT INTO pt.product (sku, price) VALUES ('A', 10);
SELECT * FROM pt.product WHERE sku = 'A';
ROLLBACK;

-- what waits goes on waiting where a trigger keeps it out of the row
SET ROLE pt_pim;
INSERT INTO pt.product (sku, title) VALUES ('C', 'Shelf'), ('D', 'Bench'), ('E', 'Lamp'), ('F', 'Rug');
SET ROLE pt_erp;
SET pt.later = 'none';
INSERT INTO pt.product (sku, price) VALUES ('C', 1);
SET pt.later = 'old';
INSERT INTO pt.product (sku, price) VALUES ('D', 1);
SET pt.later = 'upper';
INSERT INTO pt.product (sku, price) VALUES ('E', 1);
SET pt.later = 'off';
INSERT INTO pt.product (sku, price) VALUES ('F', 1);
RESET ROLE;
SELECT * FROM pt.product WHERE sku > 'B' ORDER BY sku;
SELECT row_key, proposed, resolution, problem FROM ownership.conflict WHERE outcome = 'parked' ORDER BY id;
SELECT ownership.apply_waiting('pt.product');
SELECT * FROM pt.product WHERE sku > 'B' ORDER BY sku;

-- a pin whose time is over stays while a trigger stops the UPDATE
SELECT ownership.pin_value('pt.product', '{"sku": "B"}', 'price', '22', until => now() + interval '1 day');
SET ROLE pt_erp;
UPDATE pt.product SET price = 24 WHERE sku = 'B';
UPDATE pt.product SET price = 23 WHERE sku = 'B';
RESET ROLE;
UPDATE ownership.pin SET until = now() - interval '1 second' WHERE row_key = '{"sku": "B"}';
SET pt.later = 'none';
SELECT ownership.pin_due();
SET pt.later = 'off';
SELECT ownership.pin_due();
SELECT price FROM pt.product WHERE sku = 'B';
-- the evidence of what has gone in is not open any more
SELECT outcome, system, proposed, resolution FROM ownership.conflict WHERE row_key = '{"sku": "B"}' AND outcome = 'kept' ORDER BY id;

-- a foreign-key action cannot be kept out without leaving orphans: a pin follows the renamed row, and ends at NULL
CREATE TABLE pt.category (code text PRIMARY KEY);
INSERT INTO pt.category VALUES ('x'), ('y'), ('z');
CREATE TABLE pt.item (id int PRIMARY KEY, category text REFERENCES pt.category ON UPDATE CASCADE ON DELETE SET NULL);
INSERT INTO pt.item VALUES (1, 'x'), (2, 'y'), (3, 'z');
GRANT ALL ON pt.category, pt.item TO pt_pim;
SELECT ownership.assign('pt.item', '{id,category}', 'pim', entity => 'item');
INSERT INTO pt.category VALUES ('w');
SELECT ownership.pin_value('pt.item', '{"id": 1}', 'category', 'w');
SELECT ownership.pin_value('pt.item', '{"id": 1}', 'category', 'x');
SELECT ownership.pin('pt.item', '{"id": 2}', 'category', until => now() + interval '1 day');
SELECT ownership.pin('pt.item', '{"id": 3}', 'category');
SET ROLE pt_pim;
UPDATE pt.category SET code = code || '2' WHERE code < 'z';
DELETE FROM pt.category WHERE code = 'z';
RESET ROLE;
SELECT * FROM pt.item ORDER BY id;
SELECT * FROM pt.pins WHERE column_name = 'category';
-- the last word of the owner is held as before
INSERT INTO pt.category VALUES ('x');
SET ROLE pt_pim;
UPDATE pt.item SET category = 'x';
RESET ROLE;
SELECT * FROM pt.item ORDER BY id;

DROP OWNED BY pt_erp, pt_pim, pt_crm;
DROP SCHEMA pt CASCADE;
DROP EXTENSION ownership;
DROP ROLE pt_erp, pt_pim, pt_crm;
