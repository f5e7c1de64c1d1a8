# A replicated UPDATE that gives a row the key for which something waits: the row has it
# from then on, in one row version.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('source');
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '50ms'\n");
sql($pub, 'postgres', 'CREATE DATABASE erp');
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub hub { return sql($hub, 'integration', $_[0]) }
# the ERP writes, and the hub applies it
sub erp { my $offset = -s $hub->logfile; sql($pub, 'erp', $_[0]); return wait_for_feed($pub, $hub, 'hub_erp', $offset) }
# the PIM parks values on the hub
sub pim { return hub("SET ownership.system = 'pim'; $_[0]") }
# the UPDATEs that triggers of the hub saw since the last call
sub seen { return hub(q{WITH d AS (DELETE FROM seen RETURNING *) SELECT what FROM d ORDER BY n}) }

sql($pub, 'erp', q{
	CREATE TABLE product (sku text PRIMARY KEY, price int);
	CREATE TABLE part (sku int PRIMARY KEY, price int);
	CREATE PUBLICATION p FOR TABLE product, part});
hub(q{
	CREATE EXTENSION ownership;
	CREATE TABLE product (sku text PRIMARY KEY, price int, title text UNIQUE, descr text DEFAULT 'none' CHECK (descr <> 'bad'), size int,
		label text GENERATED ALWAYS AS (title || '/' || size) STORED, CONSTRAINT apart EXCLUDE (size WITH =));
	CREATE TABLE part (sku int PRIMARY KEY, price int, title text) PARTITION BY RANGE (sku);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (100);
	CREATE TABLE part_2 (title text, price int, sku int NOT NULL);
	ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (100) TO (200);
	CREATE TABLE seen (n serial, what text);
	CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO public.seen (what) VALUES (concat_ws(' ', TG_OP, to_jsonb(OLD) ->> 'sku', 'to', NEW.sku, NEW.price, NEW.title)); RETURN NULL; END $$;
	CREATE TRIGGER see AFTER UPDATE ON product FOR EACH ROW EXECUTE FUNCTION see();
	ALTER TABLE product ENABLE ALWAYS TRIGGER see;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim');
	SELECT ownership.assign(t, '{sku,price}', 'erp', policy => 'keep'), ownership.assign(t, '{title}', 'pim') FROM unnest('{product,part}'::regclass[]) t;
	SELECT ownership.assign('product', '{descr,size}', 'pim');
	UPDATE ownership.field SET history = true WHERE name IN ('price', 'title');
	SELECT ownership.identify('erp', subscription => 'hub_erp')});
my $conninfo = connstr($pub, 'erp');
hub("CREATE SUBSCRIPTION hub_erp CONNECTION '$conninfo' PUBLICATION p WITH (copy_data = false)");
wait_for($hub, 'integration', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});

erp(q{INSERT INTO product VALUES ('A', 1), ('B', 2), ('C', 3), ('D', 4), ('E', 5)});
pim(q{UPDATE product SET title = lower(sku), size = price});
hub('DELETE FROM ownership.history');
seen();

pim(q{INSERT INTO product (sku, title, size) VALUES ('A2', 'waits', 10)});
erp(q{UPDATE product SET sku = 'A2', price = 100 WHERE sku = 'A'});
is(seen(), 'UPDATE A to A2 100 waits', 'one UPDATE, which triggers see with what waited');
is(hub(q{SELECT sku, price, title, descr, size, label FROM product WHERE price = 100}), 'A2|100|waits|none|10|waits/10', 'the row, and what is generated of it');
is(hub(q{SELECT resolution FROM ownership.conflict WHERE outcome = 'parked' AND row_key = '{"sku": "A2"}'}), 'applied', 'nothing waits');
is(hub(q{SELECT system, operation, row_key, columns, stored, proposed FROM ownership.conflict WHERE outcome = 'kept'}),
	'erp|UPDATE|{"sku": "A2"}|{title,size}|{"size": "10", "title": "waits"}|{"size": "1", "title": "a"}', 'what the row had is kept out, and is evidence');
is(hub(q{SELECT system, row_key, columns, stored, proposed FROM ownership.history ORDER BY id}),
	qq(erp|{"sku": "A2"}|{price}|{"price": "1"}|{"price": "100"}\npim|{"sku": "A2"}|{title}|{"title": "a"}|{"title": "waits"}), 'each change is in the history, as of its system');

# in one transaction, a row goes from key to key, and takes what waits for each
pim(q{INSERT INTO product (sku, title) VALUES ('B2', 'b two'); INSERT INTO product (sku, descr) VALUES ('B3', 'b three')});
erp(q{BEGIN; UPDATE product SET sku = 'B2' WHERE sku = 'B'; UPDATE product SET sku = 'B3' WHERE sku = 'B2'; UPDATE product SET price = 200 WHERE sku = 'B3'; COMMIT});
is(hub(q{SELECT sku, price, title, descr FROM product WHERE sku LIKE 'B%'}), 'B3|200|b two|b three', 'from key to key');
seen();

# the version of the row that goes is no obstacle to a unique index
pim(q{INSERT INTO product (sku, title, descr) VALUES ('C2', 'same', 'new'); UPDATE product SET title = 'same' WHERE sku = 'C'});
seen();
erp(q{UPDATE product SET sku = 'C2' WHERE sku = 'C'});
is(seen(), 'UPDATE C to C2 3 same', 'the same value, in a unique index');
is(hub(q{SELECT title, descr FROM product WHERE sku = 'C2'}), 'same|new', 'and another one with it');

# what does not fit stops no stream: the rest lands at the end of the transaction
my $offset = -s $hub->logfile;
pim(q{INSERT INTO product (sku, title, descr, size) VALUES ('D2', 'taken', 'fits', 40); UPDATE product SET title = 'taken' WHERE sku = 'C2'; UPDATE product SET size = 40 WHERE sku = 'D'});
seen();
erp(q{UPDATE product SET sku = 'D2' WHERE sku = 'D'});
is(seen(), "UPDATE D to D2 4 d\nUPDATE D2 to D2 4 d", 'a value that another row has');
is(hub(q{SELECT title, descr, size FROM product WHERE sku = 'D2'}), 'd|fits|40', 'the others land');
is(hub(q{SELECT row_key, column_name, value FROM ownership.waiting}), '{"sku": "D2"}|title|taken', 'it goes on waiting');
pim(q{INSERT INTO product (sku, title, descr) VALUES ('F', 'also taken', 'fits'); UPDATE product SET title = 'also taken' WHERE sku = 'C2'});
erp(q{INSERT INTO product VALUES ('F', 6)});
is(hub(q{SELECT title, descr FROM product WHERE sku = 'F'}), '|fits', 'nor in a new row');
pim(q{INSERT INTO product (sku, descr) VALUES ('D3', 'bad')});
erp(q{UPDATE product SET sku = 'D3' WHERE sku = 'D2'});
is(hub(q{SELECT title, descr FROM product WHERE sku = 'D3'}), 'd|fits', 'a value that a CHECK refuses');
unlike(slurp_file($hub->logfile, $offset), qr/ERROR/, 'no stream stops');
hub('DELETE FROM ownership.conflict');
seen();

# a pin goes along with its row, and holds against what waits there
pim(q{UPDATE product SET title = 'e' WHERE sku = 'E'});
hub(q{SELECT ownership.pin_value('product', '{"sku": "E"}', 'title', 'pinned')});
pim(q{INSERT INTO product (sku, title, descr) VALUES ('E2', 'e', 'new')});
erp(q{UPDATE product SET sku = 'E2' WHERE sku = 'E'});
is(hub(q{SELECT title, descr FROM product WHERE sku = 'E2'}), 'pinned|new', 'the pin holds');
is(hub(q{SELECT row_key, ended_at IS NULL FROM ownership.pin}), '{"sku": "E2"}|t', 'at the new key');
pim(q{INSERT INTO product (sku, title) VALUES ('E3', 'newer')});
erp(q{UPDATE product SET sku = 'E3' WHERE sku = 'E2'});
is(hub(q{SELECT title, descr FROM product WHERE sku = 'E3'}), 'newer|new', 'a new value of the owner');
is(hub(q{SELECT row_key, ended_at IS NULL, ended_by FROM ownership.pin}), '{"sku": "E3"}|f|pim', 'ends it');
seen();

# a new value of the owner that does not fit ends no pin: it has not gone in
erp(q{INSERT INTO product VALUES ('G', 7), ('H', 8)});
pim(q{UPDATE product SET title = 'g' WHERE sku = 'G'});
hub(q{SELECT ownership.pin_value('product', '{"sku": "G"}', 'title', 'held')});
pim(q{INSERT INTO product (sku, title, descr) VALUES ('G2', 'other', 'new'); UPDATE product SET title = 'other' WHERE sku = 'H'});
erp(q{UPDATE product SET sku = 'G2' WHERE sku = 'G'});
is(hub(q{SELECT title, descr FROM product WHERE sku = 'G2'}), 'held|new', 'a new value that another row has');
is(hub(q{SELECT row_key, value, ended_at IS NULL FROM ownership.pin WHERE value = 'held'}), '{"sku": "G2"}|held|t', 'ends no pin');
is(hub(q{SELECT row_key, column_name, value FROM ownership.waiting WHERE row_key = '{"sku": "G2"}'}), '{"sku": "G2"}|title|other', 'and goes on waiting');
seen();

# a trigger that fires after the guard's may change the row again: then it lands at the end
hub(q{
	CREATE FUNCTION last() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.price = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$;
	CREATE TRIGGER zzzzz BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION last();
	ALTER TABLE product ENABLE ALWAYS TRIGGER zzzzz});
pim(q{INSERT INTO product (sku, descr) VALUES ('E4', 'newest'), ('E5', 'never')});
erp(q{UPDATE product SET sku = 'E5', price = 0 WHERE sku = 'E3'; INSERT INTO product VALUES ('E3', 5); UPDATE product SET sku = 'E4' WHERE sku = 'E3'});
is(seen(), "UPDATE E3 to E3 5 newer\nUPDATE E3 to E4 5 newer\nUPDATE E4 to E4 5 newer", 'a trigger after the guard');
is(hub(q{SELECT sku, descr FROM product WHERE sku LIKE 'E%'}), 'E4|newest', 'it lands all the same');
is(hub(q{SELECT row_key FROM ownership.waiting WHERE row_key ->> 'sku' LIKE 'E%'}), '{"sku": "E5"}', 'not in a row that is not written');

# to another partition
erp(q{INSERT INTO part VALUES (1, 1), (2, 2)});
pim(q{INSERT INTO part (sku, title) VALUES (101, 'waits'), (3, 'waits, too')});
erp(q{UPDATE part SET sku = 101 WHERE sku = 1; UPDATE part SET sku = 3, price = 3 WHERE sku = 2});
is(hub(q{SELECT tableoid::regclass, sku, price, title FROM part ORDER BY sku}), "part_1|3|3|waits, too\npart_2|101|1|waits", 'in another partition, and in the same');
# a version that replaces another has a place of its own
is(hub(q{SELECT ctid FROM part_2}), '(0,1)', 'in one row version');
is(hub(q{SELECT ctid FROM part_1}), '(0,3)', 'also where it stays');
done_testing();
