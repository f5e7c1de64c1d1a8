-- import_sheet(): the workshop's spreadsheet as it really is.
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, color text, stock int);
CREATE SCHEMA shop;
CREATE TABLE shop."Order Line" ("Unit Price" numeric, "a;b" text, "c,d" text);
INSERT INTO ownership.system (name, kind, title) VALUES ('erp', 'erp', 'SAP S/4HANA'), ('crm', 'crm', 'Salesforce'),
	('pim', 'pim', 'Akeneo'), ('shop', 'storefront', 'Bits, Bolts & Co'), ('ERP2', 'erp', 'Salesforce');
INSERT INTO ownership.domain (name, title) VALUES ('our_price', 'Our base price'), ('our_content', 'Our texts and media');

-- Headers by their usual names, in any order and case, extra columns, blank
-- lines and cells; systems by name or title in any case, several in a cell.
-- A field may be named whole.
\set sheet 'Notes,CONSUMERS,"System of Record (SoR)",Data Element,Why,"Decided on"\n,,,,,\nx,"Akeneo; shop",sap s/4hana,product.price,"margin, mostly",2024-02-29\n,,,,,\n,"bits, bolts & co / CRM",PIM,product.title,,\n,-,?,product.color,,\n,pim and crm,"erp/crm",product.stock,,\n'
SELECT * FROM ownership.import_sheet(E:'sheet');
-- a dry run, which is the default, changes nothing
SELECT count(*) FROM ownership.field;
SELECT line, field, change, problem FROM ownership.import_sheet(E:'sheet', dry_run => false) WHERE line = 3;
SET datestyle = iso;
TABLE ownership.sheet;
-- a title that two systems have tells neither; a name comes first
SELECT * FROM ownership.import_sheet(E'field,owner\nproduct.sku,salesforce\nproduct.price,ERP\n');

-- The same again changes nothing, and says nothing.
SELECT * FROM ownership.import_sheet(E:'sheet', dry_run => false);
-- What has no column stays as it is; a blank cell is blank.
SELECT * FROM ownership.import_sheet(E'field;master\nproduct.price;crm\n');
SELECT * FROM ownership.import_sheet(E'field;master;consumer\nproduct.price;;\n');
-- The field's name in any case, unless one is named exactly; new ones join
-- their entity.
SELECT * FROM ownership.import_sheet(E'Entity;Field;Owner\nPRODUCT;Price;crm\nProduct;Weight;erp\n');
-- Columns of the database, quoted as in SQL, separated by ; , or lines.
SELECT * FROM ownership.import_sheet(E'field\tcolumns\tkey\tlocal\norder.price\t"product.price, shop.""Order Line"".""Unit Price"""\tX\tno\norder.a\t"shop.""Order Line"".""a;b""\nshop.""Order Line"".""c,d"""\t\tyes\n');

-- Every problem in one run, with the line of the text where the row begins,
-- also after cells with line breaks; then what the other rows would change.
\set sheet 'entity;field;owner;readers;writers;domain;policy;key;local;columns;decided on\r\nproduct;price;erpp;crm, pmi;foo/bar;our_prize;strict;maybe;;nodots;some day\r\n"product";"title\n";pim;"crm\n\nshop";;our texts AND media;KEEP;1;0;;\r\n;price;erp;;;;;;;;\r\nproduct;;erp;;;;;;;;\r\n;;;;;;;;;;;;\r\nPRODUCT;PRICE;erp;;;;;;;;\r\nproduct;a.b;erp;;;;;;;;\r\nproduct;short\r\nproduct;long;erp;;;;;;;;;;surplus\r\n'
SELECT * FROM ownership.import_sheet(E:'sheet');
-- with a problem nothing is imported
SELECT count(*), min(line), max(line) FROM ownership.import_sheet(E:'sheet', dry_run => false);
SELECT count(*) FROM ownership.field;
-- what only the map refuses
SELECT ownership.link('product.price', ARRAY['shop."Order Line"."Unit Price"']);
SELECT * FROM ownership.import_sheet(E'field,columns\nproduct.title,"shop.""Order Line"".""Unit Price"""\nproduct.title2,"product.title"\nproduct.title2,product.color\n');
-- a column that joins leaves the field that it was by default
SELECT * FROM ownership.import_sheet(E'field,columns\nproduct.title2,product.color\n');

-- The header.
SELECT * FROM ownership.import_sheet('');
SELECT * FROM ownership.import_sheet(E' \n\n');
SELECT * FROM ownership.import_sheet(E'name,owner\nx,erp\n');
SELECT * FROM ownership.import_sheet(E'\n\nfield,owner,Master,SYSTEM_OF_RECORD\nproduct.price,erp,crm,pim\n');
SELECT * FROM ownership.import_sheet('field,owner');
-- Lines above it, and texts with the other separators and with line breaks.
SELECT * FROM ownership.import_sheet(E'"The\nmap"\nNote;"System,\nof record";"Field\n(name)"\n;erpp;product.weight\n');
SELECT * FROM ownership.import_sheet(E'Who owns what, as of May, 2024;;\n;;\n"Entity";"Field (name, in short)";"Owner"\nproduct;weight, in kg;erp\n');
SELECT * FROM ownership.import_sheet(E'a;b;c\nfield,owner\nproduct.weight,erpp\n');
-- The file: a byte order mark, line ends of all kinds, no line end at the end.
SELECT * FROM ownership.import_sheet(U&'\FEFFfield,owner' || E'\r\nproduct.x,erp');
SELECT * FROM ownership.import_sheet(U&'\FEFF"field","owner"' || E'\rproduct.x,erp\rproduct.y,foo');
SELECT * FROM ownership.import_sheet(U&'\FEFF' || E'field,owner\nproduct.x,erp\n\n\n');
-- What is wrong with it, and where; what comes before and after is looked at, too. Line ends may differ.
SELECT * FROM ownership.import_sheet(E'field,owner\nproduct.x,erpp\nproduct.y,"erp\nproduct.z,erp\n');
SELECT * FROM ownership.import_sheet(E'field,owner\r\nproduct.x,erp\r\nproduct.y,crm\nproduct.z,erp\r\n');
-- to COPY that is the end; to a spreadsheet it is a field without entity
SELECT min(line) AS line FROM ownership.import_sheet(E'field,owner\nproduct.x,erp\n\\.\nproduct.y,foo\n') WHERE problem IS NOT NULL;
-- longer than a buffer, and beyond ASCII
SELECT line, field, length(change), problem FROM ownership.import_sheet(E'field,rationale\nproduct.x,"' || repeat(U&'\00e4\20ac' || E'\n', 30000) || E'"\nproduct.y,\nproduct.\u00e9\u0301,"\u202e<script>"\nproduct.w,\n') WHERE change !~ '^new' OR line > 2;
-- hostile names
SELECT * FROM ownership.import_sheet(E'field,owner,rationale\n"a\'b"".""c.""d\'; DROP TABLE product; --""",erp,"$1 %s \\n"\n', false);
SELECT * FROM ownership.import_sheet(E'field,owner\na.b,"erp\'; --"\n');

-- A round trip: the exported sheet changes nothing.
UPDATE ownership.field SET policy = 'keep', key = true, rationale = E'"two\r\nlines", ', decided_by = ' Ada; Bob ', decided_on = '2024-02-29', local = true WHERE name = 'price';
UPDATE ownership.field SET rationale = '', decided_on = 'infinity' WHERE name = 'title';
UPDATE ownership.mirrored_column SET authoritative = true WHERE column_name = 'Unit Price';
SELECT format('/tmp/ownership_import.%s.csv', pg_backend_pid()) AS file \gset
SELECT format('COPY (TABLE ownership.sheet) TO %L WITH (FORMAT csv, HEADER)', :'file') AS export,
	format('COPY (TABLE ownership.sheet) TO %L WITH (FORMAT csv, HEADER, DELIMITER %L)', :'file', ';') AS export2 \gset
:export;
SELECT * FROM ownership.import_sheet(pg_read_file(:'file'), false);
SELECT md5(pg_read_file(:'file')) AS first \gset
:export;
SELECT md5(pg_read_file(:'file')) = :'first' AS same;
:export2;
SELECT * FROM ownership.import_sheet(pg_read_file(:'file'), false);
\setenv OWNERSHIP_FILE :file
\! rm -f "$OWNERSHIP_FILE"

-- What the map refuses of groups at the end of the transaction: a problem of the first row that changes the group.
UPDATE ownership.field SET column_group = 'look', owner = 'pim', policy = 'keep' WHERE entity = 'product' AND name IN ('title', 'color');
\set sheet 'field,owner,policy,key\nproduct.price,erpp,,\nproduct.title,crm,keep,\nproduct.stock,pim,,\nproduct.color,pim,keep,\n'
SELECT line, field, problem FROM ownership.import_sheet(E:'sheet') WHERE problem IS NOT NULL;
SELECT line, field, problem FROM ownership.import_sheet(E'field,policy\nproduct.color,reject\n', dry_run => false);
SELECT line, field, problem FROM ownership.import_sheet(E'field,key\nproduct.color,yes\n');
-- all of the group is fine; where a row of it has a problem, what the group will be is not known
SELECT line, field, change, problem FROM ownership.import_sheet(E'field,owner\nproduct.title,crm\nproduct.color,crm\n');
SELECT line, field, problem FROM ownership.import_sheet(E'field,owner\nproduct.title,crm\nproduct.color,crmm\n') WHERE problem IS NOT NULL;
UPDATE ownership.field SET column_group = NULL WHERE column_group IS NOT NULL;

-- Who may edit the map may import; a dry run does the same, and undoes it.
CREATE ROLE regress_anna;
SET ROLE regress_anna;
SELECT * FROM ownership.import_sheet(E'field,owner\nproduct.price,pim\n');
RESET ROLE;
GRANT INSERT, UPDATE ON ownership.field, ownership.declared_access TO regress_anna;
SET ROLE regress_anna;
SELECT * FROM ownership.import_sheet(E'field,owner\nproduct.price,pim\n', false);
RESET ROLE;
SELECT ownership.import_sheet(NULL);
-- a name of which somebody is not sure
SELECT * FROM ownership.import_sheet(E'field,owner\nproduct.price,PIM?\nproduct.title,erp / pim ?\nproduct.x,pmi?\nproduct.y,?');

DROP EXTENSION ownership CASCADE;
DROP TABLE product;
DROP SCHEMA shop CASCADE;
DROP ROLE regress_anna;
