/*
 * TRUNCATE of a partition, of a partitioned table and of tables with inheritance
 * children: the pins of the rows that it removes wait, and no others.
 */
CREATE EXTENSION ownership;
CREATE SCHEMA pu;
CREATE TABLE pu.product (region text, id int, title text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE pu.product_n PARTITION OF pu.product FOR VALUES IN ('n');
CREATE TABLE pu.product_s (title text, id int NOT NULL, region text NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE pu.product_s1 PARTITION OF pu.product_s FOR VALUES FROM (1) TO (10);
CREATE TABLE pu.product_s2 PARTITION OF pu.product_s FOR VALUES FROM (10) TO (20);
ALTER TABLE pu.product ATTACH PARTITION pu.product_s FOR VALUES IN ('s');
INSERT INTO pu.product VALUES ('n', 1, 'n1'), ('n', 2, 'n2'), ('s', 1, 's1'), ('s', 11, 's11');
CREATE ROLE pu_erp;
CREATE ROLE pu_pim;
GRANT USAGE ON SCHEMA pu TO pu_erp, pu_pim;
GRANT ALL ON ALL TABLES IN SCHEMA pu TO pu_erp, pu_pim;
SELECT ownership.add_system('erp', 'erp', role => 'pu_erp');
SELECT ownership.add_system('pim', 'pim', role => 'pu_pim');
SELECT ownership.assign('pu.product', '{region,id}', 'erp', entity => 'product');
SELECT ownership.assign('pu.product', '{title}', 'pim', entity => 'product', policy => 'keep');
CREATE VIEW pu.pins AS SELECT row_key, value, gone_at IS NOT NULL AS waits, ended_at IS NOT NULL AS ended FROM ownership.pin ORDER BY id;
SELECT ownership.pin_value('pu.product', jsonb_build_object('region', region, 'id', id), 'title', 'pinned ' || title) FROM pu.product ORDER BY region, id;

SET ROLE pu_erp;
TRUNCATE pu.product_n;
RESET ROLE;
TABLE pu.pins;
SET ROLE pu_erp;
TRUNCATE pu.product_s1;
RESET ROLE;
TABLE pu.pins;
-- the pin holds again when the row returns
SET ROLE pu_erp;
INSERT INTO pu.product VALUES ('n', 1, NULL);
RESET ROLE;
TABLE pu.pins;
TABLE pu.product ORDER BY region, id;
-- a pin that waited long enough does not, as with deleted rows
UPDATE ownership.pin SET gone_at = gone_at - interval '8 days' WHERE gone_at IS NOT NULL;
UPDATE ownership.conflict SET recorded_at = recorded_at - interval '8 days' WHERE outcome = 'remembered';
SET ROLE pu_erp;
INSERT INTO pu.product VALUES ('n', 2, NULL);
RESET ROLE;
TABLE pu.pins;
SELECT * FROM pu.product WHERE id = 2;
-- all of it
UPDATE ownership.identity SET steward = true, system = NULL WHERE name = 'pu_erp';
UPDATE ownership.field SET owner = 'pim' WHERE entity = 'product' AND name = 'id';
SET ROLE pu_erp;
TRUNCATE pu.product;
RESET ROLE;
UPDATE ownership.field SET owner = 'erp' WHERE entity = 'product' AND name = 'id';
UPDATE ownership.identity SET steward = false, system = 'erp' WHERE name = 'pu_erp';
SELECT count(*) FILTER (WHERE waits) AS waiting, count(*) FROM pu.pins WHERE NOT ended;
-- it is one write, whatever the pins
SELECT outcome, count(*) FROM ownership.conflict WHERE operation = 'TRUNCATE' AND outcome <> 'remembered' GROUP BY outcome;
-- remembered until the transaction ends
DELETE FROM ownership.pin;
UPDATE ownership.mirrored_table SET remember = '0';
SET ROLE pu_erp;
INSERT INTO pu.product VALUES ('n', 1, NULL), ('n', 3, NULL);
RESET ROLE;
SELECT ownership.pin_value('pu.product', '{"region": "n", "id": 1}', 'title', 'brief'), ownership.pin_value('pu.product', '{"region": "n", "id": 3}', 'title', 'brief');
SET ROLE pu_erp;
BEGIN;
TRUNCATE pu.product_n;
INSERT INTO pu.product VALUES ('n', 1, NULL);
COMMIT;
INSERT INTO pu.product VALUES ('n', 3, NULL);
RESET ROLE;
TABLE pu.product;
TABLE pu.pins;
-- the key's type has changed since: such a pin belongs to no row, and stops nothing
UPDATE ownership.mirrored_table SET remember = NULL;
UPDATE ownership.pin SET row_key = '{"region": "n", "id": "x"}';
SET ROLE pu_erp;
TRUNCATE pu.product_n;
RESET ROLE;
TABLE pu.pins;
DELETE FROM ownership.pin;

-- inheritance: ONLY removes the rows of the parent
CREATE TABLE pu.item (id int PRIMARY KEY, title text);
CREATE TABLE pu.item_child () INHERITS (pu.item);
INSERT INTO pu.item VALUES (1, 'one');
INSERT INTO pu.item_child VALUES (2, 'two'), (3, 'three');
GRANT ALL ON pu.item, pu.item_child TO pu_erp, pu_pim;
SELECT ownership.assign('pu.item', '{id}', 'erp', entity => 'item');
SELECT ownership.assign('pu.item', '{title}', 'pim', entity => 'item', policy => 'keep');
SELECT ownership.pin('pu.item', '{"id": 1}', 'title'), ownership.pin('pu.item', '{"id": 2}', 'title'), ownership.pin('pu.item', '{"id": 3}', 'title');
SET ROLE pu_erp;
TRUNCATE ONLY pu.item;
RESET ROLE;
TABLE pu.pins;
SET ROLE pu_erp;
DELETE FROM pu.item WHERE id = 3;
TRUNCATE pu.item_child;
RESET ROLE;
TABLE pu.pins;

DROP OWNED BY pu_erp, pu_pim;
DROP SCHEMA pu CASCADE;
DROP EXTENSION ownership;
DROP ROLE pu_erp, pu_pim;
