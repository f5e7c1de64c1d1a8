# Two hubs that feed each other: each judges what is written there, once; both have the
# same rows in the end, whatever is killed meanwhile.  See doc/how-to/two-hubs.md.
#
# - item: whole rows are published, and each row is written on one of the hubs.
# - product: each hub publishes the columns that are written there, and what comes back ends.
use strict;
use warnings;
use FindBin;
use IPC::Run;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $extra = "wal_retrieve_retry_interval = '100ms'\nmax_wal_senders = 20\nmax_replication_slots = 20\nownership.flush_interval = '100ms'\n";
my %hub = map { $_ => new_node($_, preload => 1, activity => 1, extra => $extra) } qw(a b);
my $crm = new_node('crm', extra => "wal_retrieve_retry_interval = '100ms'\n");
my $filters_origins = $hub{a}->pg_version >= 16;

sub a { return sql($hub{a}, 'postgres', $_[0]) }
sub b { return sql($hub{b}, 'postgres', $_[0]) }
sub hub { return sql($hub{ $_[0] }, 'postgres', $_[1]) }
my %other = (a => 'b', b => 'a');

my $tables = q{
	CREATE TABLE item (home text, sku text, price numeric, stock int, title text, PRIMARY KEY (home, sku));
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, segment text)};
foreach my $name (qw(a b))
{
	hub($name, qq{
		CREATE ROLE erp LOGIN; CREATE ROLE pim LOGIN; $tables;
		GRANT ALL ON item, product TO erp, pim;
		CREATE EXTENSION ownership;
		SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim'), ownership.add_system('crm', 'crm');
		SELECT ownership.assign('item', '{home,sku,stock}', 'erp', policy => 'keep'), ownership.assign('item', '{price}', 'erp'), ownership.assign('item', '{title}', 'pim', policy => 'keep');
		SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'keep'), ownership.assign('product', '{title}', 'pim', policy => 'keep'), ownership.assign('product', '{segment}', 'crm', policy => 'keep');
		UPDATE ownership.mirrored_table SET remember = '0' WHERE table_name = 'product';
		SELECT ownership.identify('erp', role => 'erp'), ownership.identify('pim', role => 'pim'), ownership.identify('crm', subscription => 'crm_feed');
		SELECT ownership.identify(NULL, subscription => 'items_of_$other{$name}', relay => true), ownership.identify(NULL, subscription => 'products_of_$other{$name}', relay => true);
	});
}
# whole rows; before 16, where a subscription cannot leave out what was not written there, the rows of the hub
foreach my $name (qw(a b))
{
	hub($name, 'CREATE PUBLICATION items FOR TABLE item' . ($filters_origins ? '' : qq{ WHERE (home = '$name')}) . q{ WITH (publish = 'insert, update, delete')});
}
# the columns that are written there
a(q{CREATE PUBLICATION products FOR TABLE product (sku, price) WITH (publish = 'insert, update, delete')});
b(q{CREATE PUBLICATION products FOR TABLE product (sku, title, segment) WITH (publish = 'update')});
sql($crm, 'postgres', q{CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, segment text); CREATE PUBLICATION products FOR TABLE product});
foreach my $name (qw(a b))
{
	my $conninfo = connstr($hub{ $other{$name} }, 'postgres');
	my $origin = $filters_origins ? ', origin = none' : '';
	hub($name, "CREATE SUBSCRIPTION items_of_$other{$name} CONNECTION '$conninfo' PUBLICATION items WITH (copy_data = false$origin)");
	hub($name, "CREATE SUBSCRIPTION products_of_$other{$name} CONNECTION '$conninfo' PUBLICATION products WITH (copy_data = false)");
}
b("CREATE SUBSCRIPTION crm_feed CONNECTION '" . connstr($crm, 'postgres') . "' PUBLICATION products WITH (copy_data = false)");

# settle(PUBLICATION ...): both hubs have applied what was written on them, and what came of that
sub settle
{
	my @of = @_ ? @_ : qw(items products);
	foreach my $name (qw(a b a))
	{
		$hub{$name}->wait_for_catchup("${_}_of_$name") foreach @of;
	}
	return;
}

sub same
{
	my ($what, $table) = @_;
	my $query = "SELECT count(*), md5(string_agg(t::text, ';' ORDER BY t::text COLLATE \"C\")) FROM $table t";
	return is(b($query), a($query), "$what: the tables are the same: $table");
}

my $evidence = q{SELECT table_name, row_key, operation, system, outcome, columns, proposed FROM ownership.conflict ORDER BY id};

#
# Each hub judges once.
#
a(q{SET ROLE erp; INSERT INTO item VALUES ('a', '1', 10, 1), ('a', '2', 20, 2)});
b(q{SET ROLE erp; INSERT INTO item VALUES ('b', '1', 30, 3)});
a(q{SET ROLE pim; UPDATE item SET title = 'anvil', stock = 100 WHERE home = 'a' AND sku = '1'});
b(q{SET ROLE pim; UPDATE item SET title = 'bolt', stock = 300 WHERE home = 'b'});
like(error_as($hub{a}, 'postgres', 'pim', q{UPDATE item SET price = 11 WHERE home = 'a' AND sku = '1'}), qr/system "pim" may not write/, 'refused on a');
like(error_as($hub{b}, 'postgres', 'pim', q{UPDATE item SET price = 31 WHERE home = 'b'}), qr/system "pim" may not write/, 'refused on b');
settle('items');
same('both wrote', 'item');
is(a('TABLE item ORDER BY 1, 2'), "a|1|10|1|anvil\na|2|20|2|\nb|1|30|3|bolt", 'what both allowed, and nothing else');
wait_for($hub{$_}, 'postgres', q{SELECT count(*) = 2 FROM ownership.conflict}) foreach qw(a b);
is(a($evidence), join("\n",
	'item|{"sku": "1", "home": "a"}|UPDATE|pim|kept|{stock}|{"stock": "100"}',
	'item|{"sku": "1", "home": "a"}|UPDATE|pim|rejected|{price}|{"price": "11"}'), 'the refusals of a, on a');
is(b($evidence), join("\n",
	'item|{"sku": "1", "home": "b"}|UPDATE|pim|kept|{stock}|{"stock": "300"}',
	'item|{"sku": "1", "home": "b"}|UPDATE|pim|rejected|{price}|{"price": "31"}'), 'the refusals of b, on b');

# what a DELETE takes along is remembered where it was deleted, and comes back on both
a(q{SET ROLE erp; DELETE FROM item WHERE home = 'a' AND sku = '1'});
settle('items');
is(a(q{SELECT row_key, column_name, value FROM ownership.waiting}), '{"sku": "1", "home": "a"}|title|anvil', 'remembered on a');
is(b(q{SELECT count(*) FROM ownership.waiting}), 0, 'and not on b');
a(q{SET ROLE erp; INSERT INTO item VALUES ('a', '1', 12, 1)});
settle('items');
is(b(q{SELECT title FROM item WHERE home = 'a' AND sku = '1'}), 'anvil', 'what was remembered is on both');
same('deleted and made again', 'item');
is(a(q{SELECT count(*) FROM ownership.waiting}), 0, 'nothing waits any more');

#
# Columns: what comes back changes nothing, and ends there.
#
a(q{SET ROLE erp; INSERT INTO product (sku, price) VALUES ('x', 1), ('y', 2)});
settle('products');
a(q{SET ROLE erp; UPDATE product SET price = 3 WHERE sku = 'x'});
settle('products');
b(q{SET ROLE pim; UPDATE product SET title = 'one', price = 77 WHERE sku = 'x'});
settle('products');
is(a('TABLE product ORDER BY sku'), "x|3|one|\ny|2||", 'the columns of both hubs');
same('columns', 'product');
# the same columns in a transaction of many rows, and an INSERT that comes again
a(q{SET ROLE erp; INSERT INTO product (sku, price) SELECT 'many ' || i, i FROM generate_series(1, 100) i; UPDATE product SET price = price + 1});
settle('products');
b(q{SET ROLE pim; UPDATE product SET title = sku});
settle('products');
same('many rows', 'product');
# only what was written counts: with each further echo there were more
sub updates { return join ' ', map { sql($hub{$_}, 'postgres', q{SELECT pg_stat_get_tuples_updated('product'::regclass)}) } qw(a b) }
my $last = '';
for (1 .. 100)
{
	my $now = updates();
	last if $now eq $last && $_ > 3;
	$last = $now;
	usleep(500_000);
}
is(updates(), '206 206', 'each UPDATE is written once on each hub');

# a feed of b travels on to a, and is judged on b alone
sql($crm, 'postgres', q{INSERT INTO product VALUES ('x', 1, NULL, NULL), ('later', NULL, NULL, 'silver'); UPDATE product SET segment = 'gold', price = 99 WHERE sku = 'x'});
$crm->wait_for_catchup('crm_feed');
settle('products');
is(a(q{SELECT price, segment FROM product WHERE sku = 'x'}), '4|gold', 'what the feed of b may write is on a');
is(b(q{SELECT count(*) FROM ownership.conflict WHERE system = 'crm' AND outcome = 'kept' AND proposed ->> 'price' = '99'}), 1, 'what it may not is evidence on b');
is(a(q{SELECT count(*) FROM ownership.conflict WHERE system = 'crm'}), 0, 'and none on a');
# a value is parked on b; its row comes from a
is(b(q{SELECT row_key, column_name, value, outcome FROM ownership.waiting}), '{"sku": "later"}|segment|silver|parked', 'parked on b');
a(q{SET ROLE erp; INSERT INTO product (sku, price) VALUES ('later', 5)});
settle('products');
is(b(q{SELECT segment FROM product WHERE sku = 'later'}), '', 'a relay brings nothing back');
is(b(q{SELECT ownership.apply_waiting('product')}), 1, 'apply_waiting() does');
settle('products');
is(a(q{SELECT segment FROM product WHERE sku = 'later'}), 'silver', 'and the value travels');
same('parked', 'product');
is(b(q{SELECT count(*) FROM ownership.waiting}), 0, 'nothing waits any more');

#
# Both hubs are killed amid traffic.  A round is one transaction.
#
foreach my $name (qw(a b))
{
	hub($name, q{
		CREATE TABLE round (n int);
		CREATE FUNCTION as_role(role text, statement text) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			EXECUTE format('SET LOCAL ROLE %I', role);
			EXECUTE statement;
			RESET ROLE;
		END $$;
		CREATE PROCEDURE traffic(home text, rounds int) LANGUAGE plpgsql AS $$
		DECLARE
			sku text;
			start int := (SELECT count(*) FROM round);
		BEGIN
			FOR n IN start + 1 .. start + rounds LOOP
				sku := 1 + n % 20;
				PERFORM as_role('erp', format('INSERT INTO item VALUES (%1$L, %2$L, %3$s, %3$s) ON CONFLICT (home, sku) DO UPDATE SET price = excluded.price, stock = excluded.stock', home, sku, n));
				PERFORM as_role('pim', format('UPDATE item SET title = %L, stock = -%s WHERE (home, sku) = (%L, %L)', 'title ' || n, n, home, sku));
				IF n % 3 = 0 THEN
					PERFORM as_role('erp', format('DELETE FROM item WHERE (home, sku) = (%L, %L)', home, sku));
				END IF;
				IF home = 'a' THEN
					PERFORM as_role('erp', format('UPDATE product SET price = %s, title = %L WHERE sku = %L', n, 'not ours ' || n, 'many ' || sku));
					PERFORM as_role('erp', format('INSERT INTO product (sku, price) VALUES (%L, %s)', 'new ' || n, n));
					PERFORM as_role('erp', format('DELETE FROM product WHERE sku = %L', 'new ' || n - 10)) WHERE n % 2 = 0;
				ELSE
					PERFORM as_role('pim', format('UPDATE product SET title = %L, price = -%s WHERE sku = %L', 'title ' || n, n, 'many ' || sku));
					PERFORM as_role('pim', format('UPDATE product SET title = %L WHERE sku = %L', 'title ' || n, 'new ' || n - 5));
				END IF;
				INSERT INTO round VALUES (n);
				COMMIT;
			END LOOP;
		END $$});
}
my $before = a('SELECT max(id) FROM ownership.conflict') . ' ' . b('SELECT max(id) FROM ownership.conflict');
my %out;
sub start
{
	my ($name, $rounds) = @_;
	$out{$name} = '';
	return IPC::Run::start([ 'psql', '-X', '-q', '-d', $hub{$name}->connstr('postgres'), '-c', 'SET client_min_messages = warning', '-c', "CALL traffic('$name', $rounds)" ],
		'<', \undef, '>&', \$out{$name});
}
foreach my $killed ('a', 'b', 'ab')
{
	my %rounds = map { $_ => hub($_, 'SELECT count(*) FROM round') } qw(a b);
	my %run = map { $_ => start($_, $killed =~ $_ ? 1000000 : 200) } qw(a b);

	wait_for($hub{$_}, 'postgres', "SELECT count(*) > $rounds{$_} + 60 FROM round") foreach qw(a b);
	$hub{$_}->stop('immediate') foreach split //, $killed;
	$_->finish foreach values %run;
	like($out{$_}, qr/connection|terminat/, "$_ was killed amid its traffic") foreach split //, $killed;
	is($out{$_}, '', "$_ goes on") foreach grep { $killed !~ $_ } qw(a b);
	# what is left has something to send
	start($_, 50)->finish foreach grep { $killed !~ $_ } qw(a b);
	$hub{$_}->start foreach split //, $killed;
}
start($_, 50)->finish foreach qw(a b);
is($out{$_}, '', "$_ goes on") foreach qw(a b);
settle();
same('after three kills', $_) foreach qw(item product);
cmp_ok(a(q{SELECT count(*) FROM item}), '>', 20, 'rows of both');
my ($a, $b) = split / /, $before;
my $told = q{SELECT count(*) > 100, bool_and(row_key ->> 'home' = '%1$s'), count(*) = count(DISTINCT proposed) FROM ownership.conflict WHERE id > %2$s AND outcome = 'kept' AND table_name = 'item'};
is(a(sprintf $told, 'a', $a), 't|t|t', 'a tells of its own rows, once');
is(b(sprintf $told, 'b', $b), 't|t|t', 'b tells of its own rows, once');
$told = q{SELECT count(*) > 100, string_agg(DISTINCT system || ': ' || columns[1], ' '), count(*) = count(DISTINCT proposed) FROM ownership.conflict WHERE id > %s AND outcome = 'kept' AND table_name = 'product'};
is(a(sprintf $told, $a), 't|erp: title|t', 'a tells what was refused there, once');
is(b(sprintf $told, $b), 't|pim: price|t', 'b tells what was refused there, once');
is(hub($_, q{SELECT count(*) FROM ownership.conflict WHERE origin IS NOT NULL AND system IS DISTINCT FROM 'crm'}), 0, "no evidence of a relay on $_") foreach qw(a b);
# each round has one refusal in item: none is lost, with the transactions that were
is(hub($_, qq{SELECT count(*) FROM ownership.conflict WHERE proposed ->> 'stock' LIKE '-%' AND table_name = 'item' AND outcome = 'kept'}), hub($_, 'SELECT count(*) FROM round'), "a refusal for each round on $_") foreach qw(a b);

# what is remembered is remembered once, and belongs to rows that are away
my $waits = q{SELECT count(*) > 0, bool_and(row_key ->> 'home' = '%s'), count(*) = count(DISTINCT row_key),
	bool_and((row_key ->> 'home', row_key ->> 'sku') NOT IN (SELECT home, sku FROM item)) FROM ownership.waiting WHERE relation = 'item'};
is(hub($_, sprintf $waits, $_), 't|t|t|t', "what waits on $_") foreach qw(a b);
# and comes back on both
foreach my $name (qw(a b))
{
	hub($name, qq{SET ROLE erp; INSERT INTO item SELECT '$name', i::text, 0, 0 FROM generate_series(1, 20) i ON CONFLICT DO NOTHING});
}
settle();
is(hub($_, q{SELECT count(*) FILTER (WHERE title LIKE 'title %') FROM item WHERE sku::int BETWEEN 1 AND 20}), 40, "all titles are there on $_") foreach qw(a b);
is(hub($_, q{SELECT count(*) FROM ownership.waiting}), 0, "nothing waits on $_") foreach qw(a b);
same('at the end', $_) foreach qw(item product);
done_testing();
