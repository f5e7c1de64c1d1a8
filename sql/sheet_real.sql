-- import_sheet(): what real sheets do besides (t/sheet_shapes.pl has whole ones).
CREATE EXTENSION ownership;
SET client_min_messages = warning;
CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
INSERT INTO ownership.system (name, kind, title) VALUES ('sap', 'erp', 'SAP S/4HANA'), ('crm', 'crm', 'Salesforce'),
	('akeneo', 'pim', NULL), ('shop_de', 'storefront', 'Shop DE'), ('shop_us', 'storefront', 'Shop US'), ('wms', 'other', NULL);
SELECT ownership.assign('product', NULL, NULL);

-- The entity once, for rows that name none: an entity of its own, or in the field's name, counts more.
SELECT * FROM ownership.import_sheet(E'field,owner\nprice,sap\ncustomer.email,crm\n', entity => 'Product');
SELECT * FROM ownership.import_sheet(E'entity,field,owner\n,price,sap\norder,status,sap\n,title,akeneo\n', entity => ' product ');
SELECT * FROM ownership.import_sheet(E'field,owner\nprice,sap\n', entity => ' ');
SELECT line, field, problem FROM ownership.import_sheet(E'field,owner\nprice,sap\n', entity => 'a;b') WHERE problem IS NOT NULL;
SELECT * FROM ownership.import_sheet(E'field,owner\nprice,sap\n');

-- Headings between the rows, as a table has them and with marks of their own; a lone field is no heading.
\set sheet 'Field,Owner\nPRODUCT,\nprice,sap\ntitle,\n,\nCustomer:,\nemail,crm\n# Order,\nstatus,sap\n'
SELECT * FROM ownership.import_sheet(E:'sheet');
SELECT line, field, change, problem FROM ownership.import_sheet(E:'sheet', entity => 'x') WHERE field IS NULL OR change = 'new field';
-- in a column of their own, with the entity of merged cells, and before a table with other headers
SELECT * FROM ownership.import_sheet(E'Area,Field,Owner\nProduct,,\n,price,sap\n,title,akeneo\nCustomer,,\n,email,crm\n') WHERE change !~ '^new';
SELECT * FROM ownership.import_sheet(E'Entity,Field,Owner\nProduct,,\n,price,sap\nCustomer,email,crm\n,phone,crm\n') WHERE change !~ '^new';
SELECT * FROM ownership.import_sheet(E'field,owner,readers\nproduct.price,sap,crm\n\nowner,field\nakeneo,product.title\n') WHERE change !~ '^new';

-- Headers: by what else there is.
SELECT * FROM ownership.import_sheet(E'Table,Column,Owner\nproduct,price,sap\n');
SELECT * FROM ownership.import_sheet(E'Entity,Attribute,Column,Owner\nproduct,price,product.price,sap\n');
SELECT * FROM ownership.import_sheet(E'Entity,Field,Table,Column,Source\nitem,price,product,price,sap\n');
SELECT * FROM ownership.import_sheet(E'Field,Attribute,Flows to,Reasoning,Ownr,Data Owner,,\nproduct.price,x,crm,because,sap,Eve,y,\n');
SELECT * FROM ownership.import_sheet(E'Data Entity,System of Record\nproduct,sap\nsupplier,sap\nprodukt,akeneo\n');
SELECT * FROM ownership.import_sheet(E'Data Domain,Data Element,System of Record\nProduct,Price,sap\nProduct,Title,Akeneo\n');
SELECT * FROM ownership.import_sheet(E'Domain,Field,Owner\nprice,product.price,sap\n');
-- those of a worksheet are told by no line, and its reason is none of the field's
SELECT * FROM ownership.import_sheet(E'field,owner,suggestion,reason,seen_readers,seen_writers,samples\nproduct.price,sap,sap,sure,,,1\n');

-- Lists of fields in one cell; what is one name on the map, in quotes or in parentheses is one.
INSERT INTO ownership.field (entity, name) VALUES ('product', 'Size, net');
SELECT * FROM ownership.import_sheet(E'entity,field,owner\nproduct,"SKU / code, price, tax",sap\nproduct,"size, net",akeneo\nproduct,"weight (net, gross)",akeneo\nproduct,a/b,sap\n"","product.x; order.y",sap\n') WHERE change !~ '^new';
SELECT line, field, problem FROM ownership.import_sheet(E'entity,field,columns\nproduct,"a,b",product.price\nproduct,"price,price,",\n') WHERE problem IS NOT NULL;

-- Rows for a whole entity: fields without owner get it, in the file and on the map, local ones do not.
UPDATE ownership.field SET local = true WHERE name = 'title';
SELECT * FROM ownership.import_sheet(E'entity,field,owner,readers\nProduct,*,sap,crm\nproduct,price,,\nproduct,code,?,\n');
SELECT * FROM ownership.import_sheet(E'field,owner\nProduct,sap\nproduct.price,crm\nprice,sap\n');
-- such a row is a heading, too, where the entity is on the map
INSERT INTO ownership.field (entity, name) VALUES ('customer', 'email'), ('customer', 'phone');
SELECT * FROM ownership.import_sheet(E'Attribute,Owner\nCustomer,CRM\nemail,\ncredit limit,sap\nPRODUCT,akeneo\nsku,\nprice,sap\nCustomer,\nphone,\n');
SELECT * FROM ownership.import_sheet(E'entity,field,owner\nproduct,,sap\nproduct,,crm\nproduct,all fields,akeneo\n');

SELECT * FROM ownership.import_sheet(E'Field,Owner,Why\nCustomer: CRM,,\nemail,,x\ncredit limit,sap,\nProduct:,,\nprice,,\n');
SELECT * FROM ownership.import_sheet(E'Entity,Field,Why\nCustomer: Salesforce,,\n,email,x\n');

-- A kind, where one system is of that kind; names and titles count more.
SELECT * FROM ownership.import_sheet(E'field,owner,readers,writers\nproduct.price,ERP,"PIM, crm",\nproduct.sku,storefront,,oms\n');
SELECT * FROM ownership.import_sheet(E'field,owner\nproduct.price,SAP S4\nproduct.title,Shop\nproduct.sku,sap s/4\n');

-- What Markdown and psql draw, with lines around it.
SELECT * FROM ownership.import_sheet(E'# Map\n\nSee [there](x).\n\n| **Field** | Owner | Why |\n|:--|--:|---|\n| `product.price` | [ERP](y) | a \\| b<br>c &lt; d |\n| product.title | | |\n');
SELECT * FROM ownership.import_sheet(E'+---------------+-------+\n|     field     | owner |\n+---------------+-------+\n| product.price | sap   |\n+---------------+-------+\n(1 row)\n');
SELECT * FROM ownership.import_sheet(E'field|owner\nproduct.price|sap\n');
-- and HTML
SELECT * FROM ownership.import_sheet(E'<html><body><table><caption>Product</caption><thead><tr><th>Field</th><th>Owner</th><th>Why</th></tr></thead>\n<tr><td>price<td>ERP<td>1 &lt; 2 &#8364;&nbsp;&#x41;&bogus;&#0; < 3\n<TR><TD COLSPAN="2">title</TD><td><ul><li>a<li>b</ul></td></TR></table><script>"<td>"</script>');

-- Bytes of a file.
SELECT DISTINCT change FROM unnest(ARRAY['UTF8', 'WIN1252']) e, ownership.import_sheet(convert_to(U&'field,owner,why\000aproduct.price,sap,\20ac \00fc', e)) WHERE change ~ 'rationale';
SELECT * FROM ownership.import_sheet('\xfffe660069006500'::bytea || '\x6c0064000d000a00'::bytea || '\x61002e006200'::bytea);
SELECT * FROM ownership.import_sheet('\xfffe66006900650'::text);
SELECT problem FROM (VALUES ('\xfffe6600690065'::bytea), ('\xfeffd800'), ('\x66696500'), ('\x504b0304'), ('\xd0cf11e0a1b11ae1'), ('\x255044462d312e37'), ('\x1f8b08'), ('\x8190'), ('')) v(b), ownership.import_sheet(b);
SELECT ownership.import_sheet(NULL::bytea);

-- Cells that are too long, too many, and quotation marks without an end.
SELECT line, left(field, 20) AS field, problem FROM ownership.import_sheet(E'field,owner,rationale\n' || repeat('x', 10001) || E',sap,\nproduct.price,' || repeat('x', 10001) || E',\nproduct.title,sap,' || repeat('x', 10001)) WHERE problem IS NOT NULL;
SELECT line, field, problem FROM ownership.import_sheet('field,owner' || repeat(',', 2000) || E'\nproduct.price,sap' || repeat(',', 2000) || 'x') WHERE problem IS NOT NULL;
SELECT line, field, problem FROM ownership.import_sheet(E'field,owner\nproduct.price,"sap\nproduct.sku,"x\nproduct.title,sap\n') WHERE problem IS NOT NULL;
SELECT line, field, change, problem FROM ownership.import_sheet(E'field,owner\n"product.price" ,  "sap"\n  product.title,5" screen\n');

DROP EXTENSION ownership CASCADE;
DROP TABLE product;
