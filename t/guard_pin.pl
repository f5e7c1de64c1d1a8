# Pins against feeds: an owner's feed that sends its last word again, by UPDATEs of full
# rows, by rows that it deletes and inserts, by INSERTs that meet their rows, and by a new
# first copy, does not undo a steward's correction.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use Test::More;

my $pub = new_node('sources');
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '50ms'\n");
my @feeds = qw(erp pim);
my %columns = (erp => 'sku text PRIMARY KEY, price numeric, stock int', pim => 'sku text PRIMARY KEY, title text, city text, zip text');

sub hub { return sql($hub, 'integration', $_[0]) }

sub caught_up
{
	foreach my $feed (@feeds)
	{
		my $lsn = sql($pub, $feed, 'SELECT pg_current_wal_lsn()');
		wait_for($pub, $feed, "SELECT coalesce(bool_and(confirmed_flush_lsn >= '$lsn'), true) FROM pg_replication_slots WHERE slot_name = 'from_$feed'");
	}
}

# pim(SQL), erp(SQL): a source writes, and the hub applies it
sub pim { sql($pub, 'pim', $_[0]); caught_up(); }
sub erp { sql($pub, 'erp', $_[0]); caught_up(); }

sub row { return hub("SELECT price, stock, title, city, zip FROM product WHERE sku = 'A'") }

sub pins { return hub(q{SELECT string_agg(concat_ws(':', column_name, value, replaced, CASE WHEN ended_at IS NOT NULL THEN 'ended ' || ended_by END), ' ' ORDER BY id) FROM ownership.pin}) }

sql($pub, 'postgres', "CREATE DATABASE $_") foreach @feeds;
sql($hub, 'postgres', 'CREATE DATABASE integration');
sql($pub, $_, "CREATE TABLE product ($columns{$_}); ALTER TABLE product REPLICA IDENTITY FULL; CREATE PUBLICATION product FOR TABLE product") foreach @feeds;
hub(q{
	CREATE EXTENSION ownership;
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, stock int, title text, city text, zip text);
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim');
	SELECT ownership.assign('product', '{sku,price,stock}', 'erp');
	SELECT ownership.assign('product', '{title}', 'pim');
	SELECT ownership.assign('product', '{city,zip}', 'pim', column_group => 'address')});
foreach my $feed (@feeds)
{
	my $conninfo = connstr($pub, $feed);

	hub("SELECT ownership.identify('$feed', subscription => 'from_$feed')");
	hub("CREATE SUBSCRIPTION from_$feed CONNECTION '$conninfo' PUBLICATION product WITH (copy_data = false)");
}
erp("INSERT INTO product VALUES ('A', 10, 1), ('B', 20, 2)");
pim("INSERT INTO product VALUES ('A', 'Chair', 'Berlin', '10115'), ('B', 'Table', 'Bonn', '53111')");
is(row(), '10|1|Chair|Berlin|10115', 'the row of two feeds');

hub(q{SELECT ownership.pin_value('product', '{"sku": "A"}', 'title', 'Oak chair')});
hub(q{SELECT ownership.pin_value('product', '{"sku": "A"}', 'city', 'Hamburg')});
hub(q{SELECT ownership.pin_value('product', '{"sku": "A"}', 'price', '12.50')});
is(row(), '12.50|1|Oak chair|Hamburg|10115', 'corrected and pinned');
hub('DELETE FROM ownership.conflict');

pim("UPDATE product SET title = title");
erp("UPDATE product SET stock = 5");
is(row(), '12.50|5|Oak chair|Hamburg|10115', 'full rows come again');
pim("BEGIN; DELETE FROM product; INSERT INTO product VALUES ('A', 'Chair', 'Berlin', '10115'), ('B', 'Table', 'Bonn', '53111'); COMMIT");
is(row(), '12.50|5|Oak chair|Hamburg|10115', 'INSERTs that meet their rows');
erp("BEGIN; DELETE FROM product; INSERT INTO product VALUES ('A', 10, 6), ('B', 20, 2); COMMIT");
is(row(), '12.50|6|Oak chair|Hamburg|10115', 'rows that the owner of the key deletes and inserts');
erp("DELETE FROM product WHERE sku = 'A'");
is(row(), '', 'deleted');
pim("BEGIN; DELETE FROM product; INSERT INTO product VALUES ('A', 'Chair', 'Berlin', '10115'), ('B', 'Table', 'Bonn', '53111'); COMMIT");
erp("INSERT INTO product VALUES ('A', 10, 7)");
is(row(), '12.50|7|Oak chair|Hamburg|10115', 'parked values do not undo it either');
erp("BEGIN; TRUNCATE product; INSERT INTO product VALUES ('A', 10, 8), ('B', 20, 2); COMMIT");
is(row(), '12.50|8|Oak chair|Hamburg|10115', 'TRUNCATE and INSERT');
is(hub("SELECT count(*) FROM ownership.conflict WHERE outcome IN ('kept', 'rejected')"), '0', 'no evidence: the pin says what it keeps out');
is(pins(), 'title:Oak chair:Chair city:Hamburg:Berlin zip:10115:10115 price:12.50:10', 'the pins');

# the key changes
erp("UPDATE product SET sku = 'A2' WHERE sku = 'A'");
pim("UPDATE product SET sku = 'A2' WHERE sku = 'A'");
is(hub("SELECT title, city FROM product WHERE sku = 'A2'"), 'Oak chair|Hamburg', 'a renamed row');
erp("UPDATE product SET sku = 'A' WHERE sku = 'A2'");
pim("UPDATE product SET sku = 'A' WHERE sku = 'A2'");
is(row(), '12.50|8|Oak chair|Hamburg|10115', 'and back');

# new values
pim("UPDATE product SET title = 'Armchair' WHERE sku = 'A'");
erp("UPDATE product SET price = 11 WHERE sku = 'A'");
is(row(), '11|8|Armchair|Hamburg|10115', 'new values of the owners go in');
pim("UPDATE product SET zip = '20095', city = 'Hamburg' WHERE sku = 'A'");
is(row(), '11|8|Armchair|Hamburg|20095', 'so does a group');
is(hub('SELECT count(*) FROM ownership.pin WHERE ended_at IS NULL'), '0', 'the pins ended');

# until
hub('DELETE FROM ownership.pin; DELETE FROM ownership.conflict');
hub(q{SELECT ownership.pin_value('product', '{"sku": "A"}', 'title', 'Sale', until => now() + interval '1 day')});
pim("UPDATE product SET title = 'Recliner' WHERE sku = 'A'");
pim("UPDATE product SET title = 'Recliner' WHERE sku = 'A'");
is(hub("SELECT title FROM product WHERE sku = 'A'"), 'Sale', 'until a time');
is(hub("SELECT outcome, proposed->>'title' FROM ownership.conflict WHERE outcome = 'kept'"), 'kept|Recliner', 'what is kept is evidence, once');
hub("UPDATE ownership.pin SET until = now() - interval '1 second'");
hub('SELECT ownership.flush()');
is(hub("SELECT title FROM product WHERE sku = 'A'"), 'Recliner', 'then the value of the owner goes in');
is(hub('SELECT count(*) FROM ownership.pin WHERE ended_at IS NULL'), '0', 'and the pin has ended');

# a new first copy
hub(q{SELECT ownership.pin_value('product', '{"sku": "B"}', 'title', 'Oak table')});
hub('DROP SUBSCRIPTION from_pim');
my $conninfo = connstr($pub, 'pim');
hub("CREATE SUBSCRIPTION from_pim CONNECTION '$conninfo' PUBLICATION product");
wait_for($hub, 'integration', "SELECT count(*) = 2 FROM pg_subscription_rel WHERE srsubstate = 'r'");
is(hub("SELECT title FROM product WHERE sku = 'B'"), 'Oak table', 'a first copy');

done_testing();
