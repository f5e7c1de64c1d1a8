-- Constraints that are deferred, and values that the guard writes itself: a value that
-- does not fit fails nobody's transaction.
SET client_min_messages = warning;
CREATE EXTENSION ownership;
SET client_min_messages = notice;
\set VERBOSITY terse
SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim');
CREATE TABLE shelf (name text PRIMARY KEY);
INSERT INTO shelf VALUES ('A'), ('B');
CREATE TABLE product (
	sku   text PRIMARY KEY,
	price numeric,
	ean   text UNIQUE DEFERRABLE INITIALLY DEFERRED,
	shelf text REFERENCES shelf DEFERRABLE INITIALLY DEFERRED,
	title text
);
SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'keep'),
	ownership.assign('product', '{ean,shelf,title}', 'pim', policy => 'keep');

CREATE FUNCTION no_tables() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.title = 'Table' THEN
		RAISE EXCEPTION 'no tables';
	END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER no_tables AFTER INSERT OR UPDATE ON product DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION no_tables();

-- a foreign key, a unique constraint, a constraint trigger: what fits lands
SET ownership.system = 'pim';
INSERT INTO product (sku, ean, shelf, title) VALUES ('1', '11', 'nowhere', 'Chair'), ('2', '11', 'A', 'Table'), ('3', '33', 'B', 'Bed');
SET ownership.system = 'erp';
INSERT INTO product (sku, price) VALUES ('1', 10), ('2', 20), ('3', 30);
SELECT * FROM product ORDER BY sku;
SELECT row_key, column_name, value, why FROM ownership.waiting ORDER BY row_key::text, column_name;

-- what the creator's own statements defer stays deferred
BEGIN;
INSERT INTO shelf VALUES ('C');
DELETE FROM product WHERE sku = '3';
INSERT INTO product (sku, price) VALUES ('3', 31);
DELETE FROM shelf WHERE name = 'B';
INSERT INTO shelf VALUES ('B');
COMMIT;
SELECT * FROM product WHERE sku = '3';

-- a pin whose time is over
SET ownership.system = 'pim';
UPDATE product SET shelf = 'A';
RESET ownership.system;
SELECT ownership.pin_value('product', '{"sku": "1"}', 'shelf', 'B', until => 'infinity');
SET ownership.system = 'pim';
UPDATE product SET shelf = 'C' WHERE sku = '1';
RESET ownership.system;
DELETE FROM shelf WHERE name = 'C';
UPDATE ownership.pin SET until = '2001-01-01';
SELECT ownership.pin_due();
SELECT sku, shelf FROM product ORDER BY sku;
SELECT column_name, value, replaced, ended_at IS NULL AS holds FROM ownership.pin;
INSERT INTO shelf VALUES ('C');
SELECT ownership.pin_due();
SELECT sku, shelf FROM product ORDER BY sku;

DROP TABLE product, shelf;
DROP FUNCTION no_tables;
DROP EXTENSION ownership;
