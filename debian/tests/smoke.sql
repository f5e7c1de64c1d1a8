-- What an installed extension must do on a server that preloads the library: it
-- refuses, keeps and records, in a new table. Ends with an error if it does not.
CREATE EXTENSION ownership;
CREATE ROLE smoke_erp;
CREATE ROLE smoke_crm;
SELECT ownership.add_system('erp', 'erp', role => 'smoke_erp'), ownership.add_system('crm', 'crm', role => 'smoke_crm') \g /dev/null
CREATE TABLE product (sku text PRIMARY KEY, price numeric(10,2), title text);
INSERT INTO product VALUES ('A1', 9.90, 'Lamp');
GRANT ALL ON product TO smoke_erp, smoke_crm;
SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'reject'),
	ownership.assign('product', '{title}', 'erp', policy => 'keep') \g /dev/null

SET ROLE smoke_crm;
DO $$
DECLARE
	named text;
BEGIN
	UPDATE product SET price = 1.00;
	RAISE 'the write of a system that does not own the field went through';
EXCEPTION WHEN insufficient_privilege THEN
	GET STACKED DIAGNOSTICS named = CONSTRAINT_NAME;
	ASSERT named = 'ownership', 'the guard is not what refused: ' || SQLERRM;
END $$;
UPDATE product SET title = 'LAMP';
SET ROLE smoke_erp;
UPDATE product SET price = 11.00;
RESET ROLE;
SELECT ownership.flush() \g /dev/null

DO $$
BEGIN
	ASSERT (SELECT (price, title) = (11.00, 'Lamp') FROM product), 'the row is not what its owner wrote';
	ASSERT (SELECT count(*) = 1 FROM ownership.conflict WHERE outcome = 'kept' AND system = 'crm' AND proposed = '{"title": "LAMP"}'),
		'the value that was kept out is not recorded';
	ASSERT (SELECT value = 'yes' FROM ownership.status WHERE fact = 'preloaded'), 'the library is not preloaded';
	-- through shared memory, by the worker
	FOR i IN 1 .. 300 LOOP
		EXIT WHEN EXISTS (SELECT FROM ownership.conflict WHERE outcome = 'rejected' AND proposed = '{"price": "1.00"}');
		PERFORM pg_sleep(0.1);
	END LOOP;
	ASSERT EXISTS (SELECT FROM ownership.conflict WHERE outcome = 'rejected'), 'the rejected attempt is not recorded';
END $$;

DROP TABLE product;
DROP EXTENSION ownership;
DROP ROLE smoke_erp, smoke_crm;
\echo ownership works
