-- accept() of a row that was not created, and that has come since: what was
-- refused is written, and what nobody wrote since; nothing else is lost.
CREATE EXTENSION ownership;
SET client_min_messages = notice;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
\o /dev/null
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm');
CREATE TABLE item (id int PRIMARY KEY, sku text, price numeric, note text, phone text, unit text DEFAULT 'pc', made_at timestamptz DEFAULT clock_timestamp(),
	free text, total numeric GENERATED ALWAYS AS (price * 2) STORED);
GRANT ALL ON item TO PUBLIC;
SELECT ownership.assign('item', '{id,sku,price}', 'erp', policy => 'keep'), ownership.assign('item', '{note,phone,unit}', 'crm');
\o
SET ROLE regress_crm;
INSERT INTO item (id, sku, price, note, phone, unit, free) VALUES (1, 'S1', 5, 'crm''s', '1', 'kg', 'f'), (2, NULL, NULL, 'two', NULL, DEFAULT, NULL), (3, 'S3', 3, 'old', '3', 'l', 'f');
SET ROLE regress_erp;
INSERT INTO item (id, sku, price) VALUES (1, 'S-1', 4), (2, 'S2', 7), (3, 'S-3', 3);
-- what the crm has written since is newer than what it proposed
SET ROLE regress_crm;
UPDATE item SET note = 'new', phone = '33' WHERE id = 3;
-- and of the erp's columns what it proposes later
UPDATE item SET price = 33 WHERE id = 3;
RESET ROLE;
SELECT made_at AS made FROM item WHERE id = 1 \gset
SELECT row_key, outcome, columns, resolution FROM ownership.conflict ORDER BY id;
SELECT ownership.accept(id) FROM ownership.conflict WHERE row_key = '{"id": 1}' AND resolved_at IS NULL ORDER BY id;
SELECT ownership.accept(id) FROM ownership.conflict WHERE row_key = '{"id": 2}' AND resolved_at IS NULL ORDER BY id;
SELECT ownership.accept(id) FROM ownership.conflict WHERE row_key = '{"id": 3}' AND resolved_at IS NULL ORDER BY id;
SELECT id, sku, price, note, phone, unit, free, total FROM item ORDER BY id;
SELECT made_at = :'made' AS kept FROM item WHERE id = 1;
SELECT row_key, resolution FROM ownership.conflict WHERE outcome = 'discarded' ORDER BY id;
SELECT count(*) FROM ownership.disagreements;

DROP EXTENSION ownership CASCADE;
DROP TABLE item;
DROP ROLE regress_erp, regress_crm;
