-- What the guide must not be sure of, and what adopt() must not give to anybody.
CREATE EXTENSION ownership;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_erp;
CREATE ROLE regress_crm;
SELECT ownership.add_system('erp', 'erp', role => 'regress_erp'), ownership.add_system('crm', 'crm', role => 'regress_crm'),
	ownership.add_system('pim', 'pim'), ownership.add_system('shop', 'storefront');
CREATE SCHEMA hub;

--
-- The raw form of a value is as that value: not technical.
--
CREATE TABLE hub.price (id text PRIMARY KEY, raw_amount jsonb, amount numeric, currency_code text);
CREATE TABLE hub.order_line (id text PRIMARY KEY, quantity numeric, raw_quantity jsonb, "unitPrice" numeric, "rawUnitPrice" jsonb, mood text, raw_mood text,
	created_at timestamptz, raw_created_at text, raw_raw_quantity text);
-- with nothing of which it is the raw form, its own name counts
CREATE TABLE hub.product (id text, raw_price text, raw_amount text, raw_payload jsonb, raw_id text, raw_code text REFERENCES hub.price, code text, PRIMARY KEY (id, raw_id));
SELECT relation, column_name, domain, system, sure, reason FROM ownership.suggest('hub.*') WHERE column_name ~ '^raw' ORDER BY relation COLLATE "C", column_name COLLATE "C";
-- its own traffic counts, too: another system writes it
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes) VALUES ('hub', 'price', 'raw_amount', 'pim', 0, 3);
SELECT column_name, domain, system, sure, reason FROM ownership.suggest('hub.price') WHERE column_name ~ 'amount';
TRUNCATE ownership.activity;

--
-- Who may mark a row as deleted decides which rows exist, in all spellings.
--
CREATE TABLE hub.customer (id text PRIMARY KEY, deleted boolean, deleted_at timestamptz, "deletedBy" text, is_deleted boolean, isdeleted text, "isArchived" boolean,
	archived_at timestamptz, datedeleted date, soft_deleted boolean, _deleted boolean, __deleted text, _sdc_deleted_at timestamptz, delete_flag "char",
	deletion_mark boolean, removed_at timestamptz, trashed_at timestamptz, discarded_at timestamptz, tombstone boolean,
	-- not these
	deleted_items int, include_archived boolean, archive text, is_active boolean);
SELECT column_name, domain, system, sure, reason FROM ownership.suggest('hub.customer');
-- on documents, too, though these have dates and statuses of their own
CREATE TABLE hub.sales_order (id text PRIMARY KEY, date_deleted date, "deletedDate" date, order_date date, status text, date_added date);
SELECT column_name, domain, sure, reason FROM ownership.suggest('hub.sales_order');
-- as the key's owner where that is known: who creates the rows; who owns it on the map
INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes) VALUES
	('hub', 'customer', 'id', 'crm', 0, 3), ('hub', 'customer', 'archived_at', 'erp', 0, 3), ('hub', 'customer', 'deleted_at', 'crm', 0, 3);
SELECT column_name, domain, system, sure, reason FROM ownership.suggest('hub.customer') WHERE column_name IN ('id', 'deleted', 'deleted_at', 'archived_at');
TRUNCATE ownership.activity;
CREATE TABLE hub.member (a text, b text, deleted_at timestamptz, PRIMARY KEY (a, b));
SELECT ownership.assign('hub.member', '{a}', 'erp', domain => 'key');
UPDATE ownership.field SET key = true WHERE entity = 'hub.member';
SELECT column_name, system FROM ownership.suggest('hub.member') WHERE column_name = 'deleted_at';
SELECT ownership.assign('hub.member', '{b}', 'crm', domain => 'key');
UPDATE ownership.field SET key = true WHERE entity = 'hub.member';
SELECT column_name, system FROM ownership.suggest('hub.member') WHERE column_name = 'deleted_at';
-- a user's own domain knows better
BEGIN;
INSERT INTO ownership.domain (name, natural_owner, column_pattern, table_pattern) VALUES ('retention', '{erp}', 'archived_at', 'customer');
SELECT column_name, domain, system, sure FROM ownership.suggest('hub.customer') WHERE column_name ~ '_at$';
UPDATE ownership.domain SET column_pattern = 'customer\.(?:archived_at|trashed_at)' WHERE name = 'retention';
SELECT column_name, domain, system, sure FROM ownership.suggest('hub.customer') WHERE column_name ~ '_at$';
ROLLBACK;

--
-- A technical name that holds a business word is not for anybody.
--
CREATE TABLE hub.sku_price (id text PRIMARY KEY, created_at timestamptz, created_by text, updated_price numeric, price_updated_at timestamptz, modified_amount numeric,
	_price numeric, _id text, _loaded_at timestamptz, synced_discount numeric, sync_state text, consent_updated_at timestamptz, created_contact_id text, sort_order int, ip_address text,
	lastmodifieddate date, datecreated date, createdon date);
SELECT column_name, domain, sure, reason FROM ownership.suggest('hub.sku_price');

--
-- A column that says more than the table's name.
--
CREATE TABLE hub.inventory_item (id text PRIMARY KEY, unit_cost_amount numeric, harmonized_system_code text, weight numeric, title text, stocked_quantity int);
CREATE TABLE hub.stock (id text PRIMARY KEY, unit_cost_amount numeric, harmonized_system_code text, weight numeric, country_code text, count int, state text, quantity int);
SELECT relation, column_name, domain, sure, reason FROM ownership.suggest('hub.inventory_item') UNION ALL
SELECT relation, column_name, domain, sure, reason FROM ownership.suggest('hub.stock');
-- a document's copies are the document's
SELECT column_name, domain, sure FROM ownership.suggest('hub.order_line') WHERE column_name IN ('unitPrice', 'quantity');

--
-- No keys: numbers that authorities give.  No identity: a product's name within a name.
--
CREATE TABLE hub.contact (id text PRIMARY KEY, vat_id text, "taxId" text, supplier_id text, custom_mail_chimp_rating int, mail_chimp_id text, email text, email_template text, mail text, fax_count int);
SELECT column_name, domain, sure, reason FROM ownership.suggest('hub.contact');

--
-- Names that run together.
--
CREATE TABLE hub.client (id text PRIMARY KEY, companyname text, creditlimit numeric, firstname text, emailaddress1 text, altphone text, emailoptout boolean, billingaddress text, isperson boolean,
	-- words that are not made of what the guide knows, and words that only look so
	carton text, tagliatelle text, androidid text, pricey text, "größenordnung" text);
CREATE TABLE hub.catalogitem (id text PRIMARY KEY, pricelevel text, baseprice numeric, quantityonhand int, lastpurchaseprice numeric);
CREATE TABLE hub.salesorderline (id text PRIMARY KEY, orderquantity int, shippingcity text, duedate date, customerno text);
SELECT relation, column_name, domain, sure FROM ownership.suggest('hub.client') UNION ALL
SELECT relation, column_name, domain, sure FROM ownership.suggest('hub.catalogitem') UNION ALL
SELECT relation, column_name, domain, sure FROM ownership.suggest('hub.salesorderline');
-- a system's name is found in them, too, of those that are registered and of others
SELECT ownership.add_system('vendit', 'pos');
CREATE TABLE hub.variant (id text PRIMARY KEY, venditprice numeric, netsuiteprice numeric, salesforceid text, saplingprice numeric);
SELECT column_name, domain, system, sure, reason FROM ownership.suggest('hub.variant');
-- by a user's words, too
INSERT INTO ownership.domain (name, column_pattern, table_pattern) VALUES ('warranty', '(?:extended_)?(?:warranty|guarantee)[0-9]?|(?<!x)[[:alpha:]]{3}gar[]x]', 'clients?');
ALTER TABLE hub.client ADD warrantydate date, ADD extendedwarranty text, ADD extendedwarrantyx text;
SELECT column_name, domain, sure FROM ownership.suggest('hub.client') WHERE column_name ~ 'warranty';
UPDATE ownership.domain SET column_pattern = (SELECT string_agg('word' || chr(97 + a) || chr(97 + b) || '+?x?', '|') FROM generate_series(0, 15) a, generate_series(0, 15) b) || '|warranty|' || repeat('w', 70)
	WHERE name = 'warranty';
SELECT column_name, domain, sure FROM ownership.suggest('hub.client') WHERE column_name ~ 'warranty';
DELETE FROM ownership.domain WHERE name = 'warranty';

--
-- Patterns that look around, and that are tied to an end, hit the same names as one by one.
--
BEGIN;
INSERT INTO ownership.domain (name, column_pattern) VALUES ('one', '\Afoo\Z'), ('two', '^bar$'), ('three', '(?<!not_)baz(?!_never)|qux\Wquux');
CREATE TABLE hub.many (foo int, foo_bar int, bar int, baz int, not_baz int, baz_never int, not_baz_baz int, qux int, quux int, "qux quux" int);
SELECT column_name, domain FROM ownership.suggest('hub.many');
ROLLBACK;

--
-- adopt(): none of these is local, which anybody may write.
--
SELECT ownership.assign('hub.customer', '{id}', 'crm', domain => 'key');
UPDATE ownership.field SET key = true WHERE entity = 'hub.customer';
SELECT column_name, domain, owner, outcome FROM ownership.adopt('hub.customer') WHERE column_name IN ('id', 'deleted_at', 'is_deleted', 'archived_at', 'deleted_items');
SELECT column_name, domain, owner, outcome FROM ownership.adopt('hub.price');
SELECT column_name, domain, owner, outcome FROM ownership.adopt('hub.sku_price') WHERE outcome = 'local';
GRANT USAGE ON SCHEMA hub TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA hub TO PUBLIC;
INSERT INTO hub.price (id) VALUES ('A');
SET ROLE regress_crm;
INSERT INTO hub.customer (id) VALUES ('A');
RESET ROLE;
SET ROLE regress_erp;
UPDATE hub.customer SET deleted_at = now();
UPDATE hub.price SET raw_amount = '1';
RESET ROLE;
SET ROLE regress_crm;
UPDATE hub.customer SET deleted_at = now();
UPDATE hub.price SET raw_amount = '2';
RESET ROLE;
SELECT deleted_at IS NOT NULL AS deleted, (SELECT raw_amount FROM hub.price) FROM hub.customer;

DROP EXTENSION ownership CASCADE;
DROP SCHEMA hub CASCADE;
DROP ROLE regress_erp, regress_crm;
