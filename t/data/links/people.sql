-- A CRM, an ERP, a billing and a newsletter tool, all in one schema, with prefixes.
CREATE SCHEMA hub;
CREATE TABLE gen.person AS SELECT n, 10000 + n * 7 AS no, gen.first_name('1f' || n) AS first, gen.last_name('1l' || n) AS last,
	lower(gen.first_name('1f' || n)) || '.' || n || '@' || gen.pick('1d' || n, '{web.example,post.example,corp.example}') AS email,
	'+49 ' || (30 + gen.r('1a' || n, 60)) || ' ' || (100000 + gen.r('1p' || n, 899999)) AS phone, gen.city('1c' || n) AS city,
	lpad(gen.r('1z' || n, 99999)::text, 5, '0') AS zip, gen.pick('1s' || n, '{Hauptstr.,Ringweg,Am Markt,Gartenweg,Bahnhofstr.}') || ' ' || (1 + gen.r('1h' || n, 120)) AS street,
	gen.skewed('1co' || n, '{DE,AT,CH,NL,FR}') AS country, date '1950-01-01' + gen.r('1b' || n, 18000) AS born, gen.pick('1sg' || n, '{A,B,C}') AS segment,
	gen.r('1cl' || n, 100) * 100 AS credit, gen.p('1op' || n, 40) AS optin, 'DE' || (100000000 + gen.r('1v' || n, 899999999)) AS vat
	FROM generate_series(1, 5000) n;
CREATE TABLE hub.crm_contact AS SELECT md5('crm' || n)::uuid AS id, email AS email_address, first AS first_name, last AS last_name, phone AS phone_work, city AS mailing_city, zip AS mailing_postal_code,
	street AS mailing_street, country AS mailing_country, born AS birthdate, CASE WHEN gen.p('2dr' || n, 6) THEN 'B' ELSE segment END AS customer_segment, no AS erp_number, optin AS has_opted_in,
	gen.pick('2o' || n, '{ben,clara,hugo}') AS owner_name, gen.r('2ls' || n, 100) AS lead_score, now() - n * interval '1 hour' AS created_date, now() AS last_modified_date
	FROM gen.person WHERE gen.p('2i' || n, 85);
ALTER TABLE hub.crm_contact ADD PRIMARY KEY (id);
CREATE TABLE hub.erp_customer AS SELECT lpad(no::text, 8, '0') AS customer_no, last || ', ' || first AS name, CASE WHEN gen.p('3e' || n, 10) THEN NULL WHEN gen.p('3e2' || n, 4) THEN 'old.' || email ELSE email END AS email, phone AS telephone,
	city AS bill_city, zip AS bill_zip, street AS bill_street, CASE WHEN gen.p('3s' || n, 88) THEN city ELSE gen.city('3sc' || n) END AS ship_city,
	CASE WHEN gen.p('3s' || n, 88) THEN zip ELSE lpad(gen.r('3sz' || n, 99999)::text, 5, '0') END AS ship_zip, country AS country_code, segment AS abc_class, credit AS credit_limit, vat AS vat_id,
	gen.pick('3pt' || n, '{30,14,60}')::int AS payment_days, gen.p('3b' || n, 3) AS blocked, now() - n * interval '1 hour' AS created_at
	FROM gen.person WHERE gen.p('3i' || n, 90);
ALTER TABLE hub.erp_customer ADD PRIMARY KEY (customer_no);
CREATE TABLE hub.billing_account AS SELECT (row_number() OVER (ORDER BY md5('bil' || n)))::int AS account_id, no::text AS external_ref, CASE WHEN gen.p('4e' || n, 2) THEN 'x' || email ELSE email END AS invoice_email, vat AS tax_number, city AS city,
	zip AS postcode, country AS country, credit::numeric(12, 2) AS credit_limit, gen.r('4ba' || n, 100000) / 100.0 AS balance, gen.pick('4cy' || n, '{EUR,EUR,EUR,CHF}') AS currency, gen.p('4ac' || n, 92) AS active
	FROM gen.person WHERE gen.p('4i' || n, 70);
ALTER TABLE hub.billing_account ADD PRIMARY KEY (account_id);
CREATE TABLE hub.mail_subscriber AS SELECT (row_number() OVER (ORDER BY md5('mai' || n)))::int AS id, email, first AS fname, last AS lname, CASE WHEN gen.p('5d' || n, 3) THEN NOT optin ELSE optin END AS opted_in, gen.r('5op' || n, 50) AS opens, gen.r('5cl' || n, 20) AS clicks, now() - n * interval '1 hour' AS created_at
	FROM gen.person WHERE gen.p('5i' || n, 50);
ALTER TABLE hub.mail_subscriber ADD PRIMARY KEY (id);
CREATE TABLE hub.billing_invoice AS SELECT n AS id, 1 + gen.r('6a' || n, 3400) AS account_id, (20000 + n)::text AS invoice_no, gen.r('6t' || n, 100000) / 100.0 AS total, date '2022-01-01' + n / 10 AS invoice_date, date '2022-01-15' + n / 10 AS due_date, gen.p('6p' || n, 80) AS paid FROM generate_series(1, 9000) n;
ALTER TABLE hub.billing_invoice ADD PRIMARY KEY (id);
CREATE TABLE hub.crm_task AS SELECT n AS id, 'Call ' || gen.first_name('7' || n) AS subject, gen.pick('7s' || n, '{open,done}') AS status, date '2022-01-01' + n / 10 AS due_date FROM generate_series(1, 4000) n;
ALTER TABLE hub.crm_task ADD PRIMARY KEY (id);
CREATE TABLE hub.erp_warehouse AS SELECT n AS id, gen.city('8' || n) AS city, 'WH' || n AS code FROM generate_series(1, 60) n;
