-- The guard's own functions, attached to a mapped table by its owner in other
-- ways than guard() does: an error or nothing, never a verdict twice or of
-- something that did not happen; and what so guards nothing shows.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_loader;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE product (id int PRIMARY KEY, price numeric, title text);
INSERT INTO product VALUES (1, 1, 'one'), (2, 2, 'two');
ALTER TABLE product OWNER TO regress_loader;
GRANT ALL ON product TO regress_erp, regress_crm;
SELECT ownership.assign('product', '{id,title}', 'erp', policy => 'observe'), ownership.assign('product', '{price}', 'erp', policy => 'keep');
CREATE VIEW product_view AS SELECT * FROM product;
GRANT ALL ON product_view TO regress_crm;
ALTER VIEW product_view OWNER TO regress_loader;
CREATE VIEW evidence AS SELECT operation, outcome, columns, proposed FROM ownership.conflict ORDER BY id;
\set VERBOSITY terse

-- under another name, beside the guard's own, before it and after it: once
SET ROLE regress_loader;
CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON product FOR EACH ROW EXECUTE FUNCTION ownership.guard_amend();
CREATE TRIGGER zzzzz BEFORE INSERT OR UPDATE OR DELETE ON product FOR EACH ROW EXECUTE FUNCTION ownership.guard_amend();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON product FOR EACH ROW EXECUTE FUNCTION ownership.guard_judge();
CREATE TRIGGER c BEFORE TRUNCATE ON product FOR EACH STATEMENT EXECUTE FUNCTION ownership.guard_truncate();
SET ROLE regress_crm;
SET client_min_messages = notice;
UPDATE product SET price = 10, title = 'uno' WHERE id = 1;
SET client_min_messages = warning;
INSERT INTO product VALUES (3, 3, 'three');
DELETE FROM product WHERE id = 3;
TRUNCATE product;
RESET ROLE;
TABLE product;
TABLE evidence;
SELECT count(*) FROM ownership.risks WHERE risk = 'unguarded' AND detail LIKE '%under another name%';
SET ROLE regress_loader;
DROP TRIGGER a ON product;
DROP TRIGGER b ON product;
DROP TRIGGER c ON product;
DROP TRIGGER zzzzz ON product;
-- renamed, it guards on
ALTER TRIGGER zzzz_ownership_amend ON product RENAME TO zzzz_amend;
RESET ROLE;
TRUNCATE ownership.conflict;
INSERT INTO product VALUES (1, 1, 'one');
SET ROLE regress_crm;
UPDATE product SET price = 11;
RESET ROLE;
TABLE product;
TABLE evidence;
SET ROLE regress_loader;
ALTER TRIGGER zzzz_amend ON product RENAME TO zzzz_ownership_amend;
RESET ROLE;
TRUNCATE ownership.conflict;

-- for other events, levels and timings, with conditions, as constraints, with transition tables
CREATE PROCEDURE try(shape text) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	SET LOCAL ROLE regress_loader;
	EXECUTE 'CREATE ' || shape;
	SET LOCAL ROLE regress_crm;
	FOREACH statement IN ARRAY '{UPDATE product SET title = ''eins'' WHERE id = 1;,INSERT INTO product VALUES (4);,DELETE FROM product WHERE id = 1;}'::text[] LOOP
		BEGIN
			EXECUTE statement;
			SET CONSTRAINTS ALL IMMEDIATE;
		EXCEPTION WHEN SQLSTATE '39P01' THEN
			RAISE WARNING '% %', statement, SQLERRM;
		END;
	END LOOP;
	RESET ROLE;
	ROLLBACK;
END $$;
CALL try('TRIGGER x BEFORE UPDATE OF title ON product FOR EACH ROW EXECUTE FUNCTION ownership.guard_amend()');
CALL try('TRIGGER x BEFORE UPDATE ON product FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION ownership.guard_amend()');
CALL try('TRIGGER x AFTER INSERT OR UPDATE ON product FOR EACH ROW EXECUTE FUNCTION ownership.guard_amend()');
CALL try('TRIGGER x BEFORE INSERT OR UPDATE ON product FOR EACH ROW EXECUTE FUNCTION ownership.guard_judge()');
CALL try('TRIGGER x AFTER INSERT OR UPDATE ON product FOR EACH STATEMENT EXECUTE FUNCTION ownership.guard_judge()');
CALL try('CONSTRAINT TRIGGER x AFTER INSERT OR UPDATE ON product DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ownership.guard_judge()');
CALL try('TRIGGER x AFTER UPDATE ON product REFERENCING NEW TABLE AS n FOR EACH ROW EXECUTE FUNCTION ownership.guard_judge()');
CALL try('TRIGGER x BEFORE INSERT OR UPDATE OR DELETE ON product FOR EACH STATEMENT EXECUTE FUNCTION ownership.guard_truncate()');
CALL try('TRIGGER x BEFORE UPDATE ON product FOR EACH STATEMENT EXECUTE FUNCTION ownership.guard_amend()');
SET ROLE regress_loader;
CREATE TRIGGER x INSTEAD OF INSERT OR UPDATE ON product_view FOR EACH ROW EXECUTE FUNCTION ownership.guard_amend();
SET ROLE regress_crm;
INSERT INTO product_view VALUES (5);
UPDATE product_view SET price = 5;
RESET ROLE;
TABLE evidence;

-- what stands in the place of the guard and is not made like it does not count as one
SELECT guarded, problems FROM ownership.guards;
SET ROLE regress_loader;
DROP TRIGGER zzzz_ownership_amend ON product;
CREATE TRIGGER zzzz_ownership_amend BEFORE INSERT OR UPDATE OR DELETE ON product FOR EACH ROW WHEN (false) EXECUTE FUNCTION ownership.guard_amend();
ALTER TABLE product ENABLE ALWAYS TRIGGER zzzz_ownership_amend;
RESET ROLE;
SELECT guarded, problems FROM ownership.guards;
SET ROLE regress_loader;
DROP TRIGGER zzzz_ownership_amend ON product;
CREATE TRIGGER zzzz_ownership_amend BEFORE UPDATE OF title ON product FOR EACH ROW EXECUTE FUNCTION ownership.guard_amend();
ALTER TABLE product ENABLE ALWAYS TRIGGER zzzz_ownership_amend;
DROP TRIGGER zzzz_ownership_judge ON product;
DROP TRIGGER zzzz_ownership_truncate ON product;
RESET ROLE;
SELECT guarded, problems FROM ownership.guards;
SELECT severity, risk, relation FROM ownership.risks WHERE risk = 'unguarded';

DROP VIEW product_view, evidence;
DROP TABLE product;
DROP PROCEDURE try(text);
DROP EXTENSION ownership;
DROP ROLE regress_loader, regress_erp, regress_crm;
