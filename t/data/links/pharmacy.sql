-- A wholesaler of medicines: an ERP, a warehouse system, a shop, and a table that says which
-- items of the three are the same.  The warehouse has its own form of the national number
-- (a prefix), the shop stores numbers and flags as text, and the lines of orders have a key
-- of two columns.
CREATE SCHEMA erp;
CREATE SCHEMA wms;
CREATE SCHEMA shop;
CREATE SCHEMA xref;

CREATE TABLE erp.artikel (matnr text PRIMARY KEY, pzn char(8) NOT NULL, bezeichnung text, ek_preis numeric(10,4), vk_preis numeric(10,2),
	mwst_code smallint, gebinde integer, kuehl boolean, lagerort text, geaendert date);
INSERT INTO erp.artikel
SELECT 'M-' || lpad((n * 13 + 400)::text, 7, '0'), lpad((gen.r('pzn' || n, 7000) * 1500 + n)::text, 8, '0'),
	initcap(gen.pick('sub' || n, '{ibuprofen,paracetamol,metformin,ramipril,bisoprolol,pantoprazol,simvastatin,torasemid,levothyroxin,amlodipin,candesartan,enalapril,diclofenac,tilidin,novaminsulfon,allopurinol,doxycyclin,cefuroxim}'))
		|| '-' || gen.pick('maker' || n, '{Rat,Hex,Ali,Sto,Zen,Aur,Abz,Dex}') || ' ' || (ARRAY[5,10,20,25,50,75,100,200,400,500])[1 + gen.r('mg' || n, 10)] || ' mg ' || gen.pick('form' || n, '{Filmtabletten,Tabletten,Kapseln,Tropfen,Salbe,Injektion}') || ' N' || n % 3 + 1 || ' ' || n % 10 || n % 7,
	round((gen.r('ek' || n, 90000) + 100) / 1000.0, 4), round((gen.r('vk' || n, 12000) + 200) / 100.0, 2), CASE WHEN gen.p('mwst' || n, 92) THEN 1 ELSE 2 END,
	(ARRAY[10,20,30,50,98,100])[1 + gen.r('geb' || n, 6)], gen.p('cold' || n, 8),
	chr(65 + gen.r('aisle' || n, 8)) || '-' || lpad((1 + gen.r('rack' || n, 30))::text, 2, '0') || '-' || lpad((1 + gen.r('bin' || n, 12))::text, 2, '0'),
	date '2026-01-01' + gen.r('chg' || n, 300)
FROM generate_series(1, 1200) n;

CREATE TABLE erp.kunde (kundennr integer PRIMARY KEY, name text, strasse text, plz char(5), ort text, land char(2), zahlziel smallint, kreditlimit numeric(10,2), gesperrt boolean);
INSERT INTO erp.kunde
SELECT 100000 + n * 7, gen.pick('animal' || n, '{Adler,Löwen,Hirsch,Schwanen,Einhorn,Bären,Stern,Sonnen,Markt,Stadt,Rathaus,Kur,Linden,Rosen,Park}') || '-Apotheke ' || gen.last_name('owner' || n),
	gen.pick('street' || n, '{Hauptstraße,Bahnhofstraße,Am Markt,Schillerstraße,Goethestraße,Ringstraße,Gartenweg,Lange Gasse,Kirchplatz}') || ' ' || 1 + gen.r('no' || n, 120),
	lpad((1000 + gen.r('plz' || n, 98000))::text, 5, '0'), gen.city('ort' || n), gen.skewed('land' || n, '{DE,DE,DE,AT,CH}'), (ARRAY[14,30,60])[1 + gen.r('ziel' || n, 3)],
	(1 + gen.r('limit' || n, 40)) * 500, gen.p('block' || n, 2)
FROM generate_series(1, 800) n;

CREATE TABLE erp.auftrag (auftragnr integer, position smallint, matnr text REFERENCES erp.artikel, kundennr integer REFERENCES erp.kunde, menge integer, preis numeric(10,2),
	bestelldatum date, status char(1), PRIMARY KEY (auftragnr, position));
INSERT INTO erp.auftrag
SELECT 500000 + o, p, a.matnr, 100000 + (1 + gen.r('cust' || o, 800)) * 7, (ARRAY[1,1,2,2,3,5,10,20])[1 + gen.r('menge' || o || '/' || p, 8)], a.vk_preis,
	date '2026-02-01' + o / 10, gen.skewed('stat' || o, '{C,B,A}')
FROM generate_series(1, 2000) o CROSS JOIN generate_series(1, 3) p
JOIN (SELECT row_number() OVER (ORDER BY matnr) AS i, matnr, vk_preis FROM erp.artikel) a ON a.i = 1 + gen.r('item' || o || '/' || p, 1200)
WHERE p <= 1 + gen.r('lines' || o, 3);

-- the warehouse: 1,000 of the items, under its own numbers and in its own order
CREATE TABLE wms.item (item_id bigint PRIMARY KEY, sku text, descr text, pack_qty smallint, cold text, bin text, qty_on_hand integer, min_qty integer);
INSERT INTO wms.item
SELECT 70000 + row_number() OVER (ORDER BY md5(matnr)), 'PZN' || pzn, bezeichnung, gebinde, CASE WHEN kuehl THEN 'Y' ELSE 'N' END,
	CASE WHEN gen.p('moved' || matnr, 12) THEN 'Z-01-01' ELSE lagerort END, gen.r('onhand' || matnr, 200), (ARRAY[5,10,20,50])[1 + gen.r('min' || matnr, 4)]
FROM erp.artikel WHERE gen.r('stocked' || matnr, 6) > 0;

-- the shop: 900 or so, numbered from 1
CREATE TABLE shop.product (id integer PRIMARY KEY, pzn text, title text, price text, tax_rate numeric, pack text, is_cold boolean, rating smallint, created_at timestamptz);
INSERT INTO shop.product
SELECT row_number() OVER (ORDER BY md5('s' || matnr)), pzn, CASE WHEN gen.p('reworded' || matnr, 10) THEN upper(bezeichnung) ELSE bezeichnung END,
	CASE WHEN gen.p('stale' || matnr, 4) THEN vk_preis * 0.9 ELSE vk_preis END::numeric(10,2)::text, CASE mwst_code WHEN 1 THEN 19 ELSE 7 END, gebinde::text, kuehl, 1 + gen.r('rating' || matnr, 5),
	timestamptz '2026-01-01 00:00+00' + gen.r('made' || matnr, 300) * interval '1 day'
FROM erp.artikel WHERE gen.r('sold' || matnr, 4) > 0;

CREATE TABLE shop.account (id integer PRIMARY KEY, customer_ref text, email text, company text, street text, zip text, city text, country text, newsletter boolean);
INSERT INTO shop.account
SELECT row_number() OVER (ORDER BY md5('a' || kundennr)), kundennr::text, 'apo' || gen.r('mail' || kundennr, 900000) || '@example.com', name,
	CASE WHEN gen.p('moved' || kundennr, 6) THEN 'Neue Straße ' || kundennr % 90 ELSE strasse END, plz, ort, land, gen.p('news' || kundennr, 40)
FROM erp.kunde WHERE gen.r('online' || kundennr, 8) < 5;

CREATE TABLE shop.orders (order_no text PRIMARY KEY, account_id integer REFERENCES shop.account, ordered_on date, total numeric(10,2), state char(1));
INSERT INTO shop.orders
SELECT 'W' || 100000 + n, 1 + gen.r('acc' || n, 450), date '2026-02-01' + n / 5, (1 + gen.r('total' || n, 40)) * 500, gen.skewed('state' || n, '{C,B,A,X}')
FROM generate_series(1, 700) n;

-- what has left the warehouse; sometimes not all of it at once
CREATE TABLE wms.shipment_line (shipment_no text, line_no smallint, order_ref integer, order_pos smallint, item_id bigint, qty integer, shipped_at timestamptz, carrier text, PRIMARY KEY (shipment_no, line_no));
INSERT INTO wms.shipment_line
SELECT 'S' || 900000 + auftragnr % 1700, row_number() OVER (PARTITION BY auftragnr % 1700 ORDER BY auftragnr, position), auftragnr, position, w.item_id,
	CASE WHEN gen.p('part' || auftragnr || position, 5) THEN 1 ELSE menge END, bestelldatum + interval '1 day', gen.skewed('carrier' || auftragnr, '{DHL,GO,UPS}')
FROM erp.auftrag o JOIN erp.artikel a USING (matnr) JOIN wms.item w ON w.sku = 'PZN' || a.pzn
WHERE gen.p('shipped' || auftragnr, 80);

CREATE TABLE xref.item_map (matnr text PRIMARY KEY, wms_item_id bigint, shop_product_id integer);
INSERT INTO xref.item_map
SELECT a.matnr, w.item_id, p.id FROM erp.artikel a LEFT JOIN wms.item w ON w.sku = 'PZN' || a.pzn LEFT JOIN shop.product p ON p.pzn = a.pzn
WHERE w.item_id IS NOT NULL OR p.id IS NOT NULL;
