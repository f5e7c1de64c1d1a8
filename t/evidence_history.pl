# History of what replication workers write: applied changes, moves between
# partitions, and SQL that runs in a worker; and revert() of it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('sources');
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '200ms'\n");

sql($pub, 'postgres', "CREATE DATABASE $_") foreach qw(erp crm);
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub source { return sql($pub, $_[0], $_[1]) }
sub hub { return sql($hub, 'integration', $_[0]) }

sub send_from
{
	my ($db, $sql) = @_;
	source($db, $sql);
	$pub->wait_for_catchup("hub_$db");
}

# new history since the last call, in the order of the rows' keys
my $told = 0;

sub history
{
	my $rows = hub(qq{
		SELECT system, origin IS NOT NULL, table_name, columns, row_key, stored, proposed
		FROM ownership.history WHERE id > $told ORDER BY table_name DESC, row_key});
	$told = hub('SELECT greatest(max(id), ' . $told . ') FROM ownership.history');
	return $rows;
}

my $columns = 'id int, region text, price numeric, stock int, body text, PRIMARY KEY (id, region)';
source($_, "CREATE TABLE product ($columns)") foreach qw(erp crm);
hub(qq{
	CREATE TABLE product (gone int, $columns) PARTITION BY LIST (region);
	ALTER TABLE product DROP gone;
	CREATE TABLE product_eu PARTITION OF product FOR VALUES IN ('eu');
	CREATE TABLE product_us (body text, stock int, price numeric, region text NOT NULL, id int NOT NULL);
	ALTER TABLE product ATTACH PARTITION product_us FOR VALUES IN ('us');
	CREATE TABLE total (region text PRIMARY KEY, stock int);
	INSERT INTO total VALUES ('eu', 0), ('us', 0);
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
	SELECT ownership.assign('product', NULL, 'erp', policy => 'keep'), ownership.assign('total', NULL, 'erp');
	UPDATE ownership.field SET domain = NULL, history = name IN ('region', 'price', 'body') WHERE entity = 'product';
	UPDATE ownership.field SET history = true, policy = 'observe' WHERE (entity, name) = ('total', 'stock')});
foreach my $db (qw(erp crm))
{
	my $conninfo = connstr($pub, $db);
	my $copy = $db eq 'erp' ? 'true' : 'false';
	source($db, q{INSERT INTO product SELECT n, 'eu', n, n, 'body ' || n FROM generate_series(1, 3) n});
	source($db, q{ALTER TABLE product ALTER body SET STORAGE EXTERNAL; UPDATE product SET body = repeat('x', 5000) WHERE id = 2});
	source($db, "CREATE PUBLICATION p FOR ALL TABLES");
	hub(qq{CREATE SUBSCRIPTION hub_$db CONNECTION '$conninfo' PUBLICATION p WITH (copy_data = $copy, enabled = false)});
	hub("SELECT ownership.identify('$db', subscription => 'hub_$db')");
	hub("ALTER SUBSCRIPTION hub_$db ENABLE");
	$hub->wait_for_subscription_sync($pub, "hub_$db", 'integration');
}
is(history(), '', 'a first copy is no change');

#
# Applied changes
#
my $since = hub('SELECT clock_timestamp()');
send_from('erp', 'UPDATE product SET price = 10, stock = 10 WHERE id = 1');
is(history(), 'erp|t|product|{price}|{"id": 1, "region": "eu"}|{"price": "1"}|{"price": "10"}', q(the owner's UPDATE));
send_from('erp', 'UPDATE product SET stock = 11 WHERE id = 1; UPDATE product SET stock = 12 WHERE id = 2');
is(history(), '', 'what has no history, beside a value out of line that did not change');
send_from('erp', q{UPDATE product SET price = NULL});
is(history(), join("\n",
		'erp|t|product|{price}|{"id": 1, "region": "eu"}|{"price": "10"}|{"price": null}',
		'erp|t|product|{price}|{"id": 2, "region": "eu"}|{"price": "2"}|{"price": null}',
		'erp|t|product|{price}|{"id": 3, "region": "eu"}|{"price": "3"}|{"price": null}'), 'of several rows');
send_from('crm', q{UPDATE product SET price = 99 WHERE id = 1});
is(history(), '', 'what is kept out is no change');
send_from('erp', q{DELETE FROM product WHERE id = 3; INSERT INTO product VALUES (4, 'eu', 4)});
is(history(), '', 'DELETE and INSERT are none');

#
# A bad night of the owner, taken back
#
is(hub("SELECT row_key ->> 'id', to_value, outcome, reason FROM ownership.revert('erp', '$since', dry_run => false) WHERE column_name = 'price' OR reason LIKE '%gone%' ORDER BY 1"),
	"1|1|reverted|\n2|2|reverted|\n3||skipped|The row is gone.", 'revert() takes back what the feed wrote');
is(hub('SELECT id, price FROM product ORDER BY id'), "1|1\n2|2\n4|4", 'the prices are back');
like(history(), qr/^\|f\|product\|\{price\}.*"1"\}\n\|f\|product\|.*"2"\}$/, 'that is history, too');

#
# A row that moves to another partition, as the UPDATE that it is
#
send_from('erp', q{UPDATE product SET region = 'us', price = 20 WHERE id = 1});
is(history(), 'erp|t|product|{price,region}|{"id": 1, "region": "us"}|{"price": "1", "region": "eu"}|{"price": "20", "region": "us"}', 'a move');
send_from('erp', q{UPDATE product SET price = 21 WHERE id = 1});
is(history(), 'erp|t|product|{price}|{"id": 1, "region": "us"}|{"price": "20"}|{"price": "21"}', 'in another layout');
send_from('crm', q{UPDATE product SET region = 'us', price = 77 WHERE id = 2});
is(history(), '', 'a move that is refused is none');

#
# What a trigger makes of an applied row, and SQL that it runs
#
hub(q{
	CREATE FUNCTION derive() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		UPDATE public.total SET stock = total.stock + NEW.stock WHERE region = NEW.region;
		NEW.body := 'stock ' || NEW.stock;
		RETURN NEW;
	END $$;
	CREATE TRIGGER derive BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION derive();
	ALTER TABLE product_eu ENABLE ALWAYS TRIGGER derive;
	ALTER TABLE product_us ENABLE ALWAYS TRIGGER derive});
send_from('erp', q{UPDATE product SET stock = 5 WHERE id = 4});
is(history(), join("\n", 'erp|t|total|{stock}|{"region": "eu"}|{"stock": "0"}|{"stock": "5"}',
		'erp|t|product|{body}|{"id": 4, "region": "eu"}|{"body": null}|{"body": "stock 5"}'), 'both are recorded');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE table_name = 'total'}), '0', q(it is the feed's write));

#
# The map changes while the stream runs
#
hub(q{UPDATE ownership.field SET history = false WHERE (entity, name) = ('product', 'price')});
send_from('erp', q{UPDATE product SET price = 30 WHERE id = 1});
is(history() =~ /price/ ? 1 : 0, 0, 'a field without a history leaves none');
hub(q{UPDATE ownership.field SET history = true WHERE (entity, name) = ('product', 'price')});
send_from('erp', q{UPDATE product SET price = 31 WHERE id = 1});
like(history(), qr/\{"price": "30"/, 'and with one, it does');

# the streams went on
is(hub(q{SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL AND relid IS NULL}), '2', 'both streams run');

done_testing();
