-- What why(), explain() and risks say of values that wait.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_pim;
CREATE ROLE regress_anna;
\o /dev/null
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('pim', 'pim', role => 'regress_pim');
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text CHECK (title <> 'bad'), size text, extra text);
GRANT ALL ON product TO PUBLIC;
SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'keep'), ownership.assign('product', '{title,size}', 'pim', policy => 'keep');
-- evidence as the guard writes it
CREATE FUNCTION parked(sku text, of text, proposed jsonb, origin text DEFAULT NULL, why text DEFAULT NULL) RETURNS bigint LANGUAGE SQL AS
	$$INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, row_key, operation, system, role, origin, outcome, columns, proposed, problem)
	VALUES (now(), 'public', 'product', jsonb_build_object('sku', sku), 'INSERT', of, 'feed', origin, 'parked', ARRAY(SELECT jsonb_object_keys(proposed))::name[], proposed, why) RETURNING id$$;
CREATE FUNCTION remembered(sku text, by text, stored jsonb, at timestamptz DEFAULT now()) RETURNS bigint LANGUAGE SQL AS
	$$INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, row_key, operation, system, role, outcome, columns, stored)
	VALUES (at, 'public', 'product', jsonb_build_object('sku', sku), 'DELETE', by, 'feed', 'remembered', ARRAY(SELECT jsonb_object_keys(stored))::name[], stored) RETURNING id$$;
CREATE VIEW found AS SELECT severity, risk, column_name, systems, regexp_replace(detail, '\d{4}-\d\d-\d\d', 'DAY', 'g') AS detail, advice FROM ownership.risks
	WHERE risk IN ('parked', 'updates_lost', 'unmapped', 'contested', 'undeclared_writer', 'silent_owner');
GRANT SELECT ON found TO PUBLIC;
GRANT SELECT ON ownership.conflict TO regress_anna;
\o
\x on
TABLE found;
-- values that are parked are a low risk for each table and system; what waits makes nobody contested
SELECT parked('p1', 'pim', '{"title": "Lamp", "size": null}') AS p1, parked('p2', 'pim', '{"title": "Desk"}') AS p2 \gset
SELECT * FROM found WHERE risk <> 'unmapped';
-- one that does not fit is a medium one; why is for those who may read evidence
UPDATE ownership.conflict SET problem = 'new row violates check constraint' WHERE id = :p2;
SELECT * FROM found WHERE risk <> 'unmapped';
SET ROLE regress_erp;
SELECT detail FROM found WHERE risk = 'parked';
SET ROLE regress_anna;
SELECT detail FROM found WHERE risk = 'parked';
-- of a sensitive field it is for nobody
RESET ROLE;
UPDATE ownership.field SET sensitive = true WHERE name = 'title';
SELECT detail FROM found WHERE risk = 'parked';
UPDATE ownership.field SET sensitive = false WHERE name = 'title';
SELECT ownership.dismiss(ARRAY[:p1, :p2]) \gset
-- remembered values are a risk only where they do not fit
SELECT remembered('r1', 'erp', '{"title": "bad"}') AS r1 \gset
SELECT * FROM found WHERE risk <> 'unmapped';
UPDATE ownership.conflict SET problem = 'it is bad.' WHERE id = :r1;
SELECT * FROM found WHERE risk <> 'unmapped';
-- where a system deletes rows, a column that is not on the map is a medium risk
SELECT * FROM found WHERE risk = 'unmapped';
DELETE FROM ownership.conflict;
SELECT severity FROM found WHERE risk = 'unmapped';

-- A feed that brings rows which it may not create is a risk as soon as it is seen.
SET ownership.enforcement = off;
INSERT INTO product (sku, title) VALUES ('u2', 'two'), ('u3', 'three'), ('u4', 'four'), ('u5', 'five');
RESET ownership.enforcement;
SELECT parked('u1', 'pim', '{"title": "one"}', 'pim_feed') AS u1, parked('u2', 'pim', '{"title": "two"}', 'pim_feed') AS u2,
	parked('u3', 'pim', '{"title": "three"}', 'pim_feed') AS u3, parked('u4', 'pim', '{"title": "four"}', 'pim_feed') AS u4,
	parked('u5', 'pim', '{"title": "five", "size": "S"}', 'pim_feed') AS u5, parked('u6', 'pim', '{"title": "six"}', 'pim_feed') AS u6 \gset
SELECT * FROM found WHERE risk = 'updates_lost';
-- what was applied is listed until its system writes the row again (u5 has another size), or the row is gone (u6) ...
UPDATE ownership.conflict SET resolution = 'applied' WHERE id <> :u1;
SELECT * FROM found WHERE risk = 'updates_lost';
SET ROLE regress_pim;
UPDATE product SET title = 'new' WHERE sku = 'u2';
-- ... also where the write leaves evidence, or is in the history, and not the value
SET client_min_messages = error;
UPDATE product SET price = 9 WHERE sku = 'u3';
RESET ROLE;
SELECT detail FROM found WHERE risk = 'updates_lost';
INSERT INTO ownership.history (table_schema, table_name, row_key, operation, system, outcome, columns) VALUES ('public', 'product', '{"sku": "u4"}', 'UPDATE', 'pim', 'written', '{title}');
SELECT detail, advice FROM found WHERE risk = 'updates_lost';
DELETE FROM ownership.history;
-- who may not read the table is warned
REVOKE ALL ON product FROM PUBLIC;
SET ROLE regress_anna;
SELECT detail FROM found WHERE risk = 'updates_lost';
RESET ROLE;
GRANT ALL ON product TO PUBLIC;
-- or until somebody dismisses it
SELECT ownership.dismiss(ARRAY[:u2, :u3, :u4, :u5, :u6]);
SELECT detail FROM found WHERE risk = 'updates_lost';
SELECT ownership.dismiss(:u1);
SELECT count(*) FROM found WHERE risk = 'updates_lost';
-- over SQL nothing is lost: the writer sees that no row was updated
SELECT parked('u7', 'pim', '{"title": "seven"}') AS u7 \gset
SELECT risk FROM found WHERE risk IN ('parked', 'updates_lost');
\x off

-- why() says what waits, and what became of it
SELECT event, system, value, detail FROM ownership.why('product.title', '{"sku": "u7"}');
SELECT DISTINCT c.column_name, w.event, w.system, w.value FROM (VALUES ('title'), ('size')) c(column_name)
	CROSS JOIN LATERAL ownership.why('product.' || c.column_name, '{"sku": "u5"}') w WHERE event NOT IN ('answer', 'rule') ORDER BY 1, 2;
UPDATE ownership.conflict SET problem = 'it is bad' WHERE id = :u7;
SET ownership.enforcement = off;
INSERT INTO product (sku, title) VALUES ('u7', 'old'), ('u8', 'eight');
RESET ownership.enforcement;
SELECT event, system, value, detail FROM ownership.why('product.title', '{"sku": "u7"}');
SELECT remembered('u8', 'erp', '{"title": "1"}') AS a, remembered('u8', 'erp', '{"title": "2"}') AS b, remembered('u8', 'erp', '{"title": "3"}') AS c,
	remembered('u8', 'erp', '{"title": "4"}') AS d, remembered('u8', 'erp', '{"title": "over"}', '2020-01-01 00:00+00') AS e, remembered('u8', 'erp', '{"title": "hidden"}', '-infinity') AS f \gset
SET timezone = 'UTC';
UPDATE ownership.conflict SET resolution = 'superseded' WHERE id = :a;
UPDATE ownership.conflict SET resolution = 'applied' WHERE id = :b;
SELECT ownership.dismiss(:c), ownership.accept(:d);
SELECT event, system, value, detail FROM ownership.why('product.title', '{"sku": "u8"}') WHERE event <> 'rule';
SET ROLE regress_erp;
SELECT event, system, value, detail FROM ownership.why('product.title', '{"sku": "u8"}') WHERE event <> 'rule';
RESET ROLE;

-- explain() of a row that is not there says what waits for it
SELECT parked('x1', 'pim', '{"title": "x", "size": "S"}') \gset
SELECT * FROM ownership.explain('product', 'title', 'pim', '{"sku": "x1"}');
SELECT * FROM ownership.explain('product', 'title', 'pim', '{"sku": "x2"}');
SET ROLE regress_erp;
SELECT * FROM ownership.explain('product', 'title', 'pim', '{"sku": "x1"}');
RESET ROLE;

-- the page says how much waits, and no values; so does it without evidence
SELECT remembered('x2', 'erp', '{"title": "secret"}'), parked('x3', 'pim', '{"title": "secret"}', why => 'secret') \gset
SELECT regexp_replace(substring(p, 'id="waiting".*?id="pinned"'), '\d{4}-\d\d-\d\d( |T)\d\d:\d\d', 'TIME', 'g') AS waiting FROM ownership.page() p;
SET ROLE regress_erp;
SELECT p ~ 'Values that wait for their rows' AS there, p ~ 'secret' AS secret FROM ownership.page() p;
RESET ROLE;
DELETE FROM ownership.conflict;
SELECT p ~ 'No value waits' AS nothing FROM ownership.page() p;

DROP EXTENSION ownership CASCADE;
DROP FUNCTION parked, remembered;
DROP TABLE product;
DROP ROLE regress_erp, regress_pim, regress_anna;
