# Rows that several feeds make: the order in which their facts arrive does not
# matter.  The ERP creates and deletes rows; PIM and CRM send rows with texts and
# notes.  Each key gets the facts in another order, by applied changes, with restarts
# of the workers between; and each table gets the first copies in another order.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use Test::More;

my $pub = new_node('sources', extra => "max_wal_senders = 40\nmax_replication_slots = 60\n");
my $hub = new_node('hub', preload => 1, extra =>
	"wal_retrieve_retry_interval = '50ms'\nmax_logical_replication_workers = 40\nmax_worker_processes = 60\nmax_replication_slots = 60\n");
my @feeds = qw(erp pim crm);
my %columns = (erp => 'sku text PRIMARY KEY, price numeric, stock int', pim => 'sku text PRIMARY KEY, title text, descr text',
	crm => 'sku text PRIMARY KEY, note text');
sql($pub, 'postgres', "CREATE DATABASE $_") foreach @feeds;
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub hub { return sql($hub, 'integration', $_[0]) }

# orders(LISTS): all ways to merge the lists, each of which keeps its order
sub orders
{
	my @lists = grep { @$_ } @_;
	my @found;

	return ([]) if !@lists;
	foreach my $i (0 .. $#lists)
	{
		my ($first, @rest) = @{ $lists[$i] };
		push @found, map { [ $first, @$_ ] } orders((map { $_ == $i ? [@rest] : $lists[$_] } 0 .. $#lists));
	}
	return @found;
}

hub('CREATE EXTENSION ownership');
hub("SELECT ownership.add_system('$_', '$_')") foreach @feeds;

# make_table(NAME): in all databases, shared on the hub
sub make_table
{
	my ($table) = @_;

	sql($pub, $_, "CREATE TABLE $table ($columns{$_}); CREATE PUBLICATION $table FOR TABLE $table") foreach @feeds;
	hub(qq{
		CREATE TABLE $table (sku text PRIMARY KEY, price numeric, stock int, title text, descr text, note text, local text DEFAULT 'ours');
		SELECT ownership.assign('$table', '{sku,price,stock}', 'erp');
		SELECT ownership.assign('$table', '{title,descr}', 'pim');
		SELECT ownership.assign('$table', '{note}', 'crm')});
}

sub subscribe
{
	my ($feed, $table, $options) = @_;
	my $conninfo = connstr($pub, $feed);

	hub("SELECT ownership.identify('$feed', subscription => '${feed}_$table')");
	hub("CREATE SUBSCRIPTION ${feed}_$table CONNECTION '$conninfo' PUBLICATION $table WITH ($options)");
}

sub caught_up
{
	my ($table) = @_;

	foreach my $feed (@feeds)
	{
		my $lsn = sql($pub, $feed, 'SELECT pg_current_wal_lsn()');
		wait_for($pub, $feed, "SELECT coalesce(bool_and(confirmed_flush_lsn >= '$lsn'), true) FROM pg_replication_slots WHERE slot_name = '${feed}_$table'");
	}
}

#
# Applied changes.
#
my %facts = (
	created => [ 'erp', q{INSERT INTO product VALUES ('%s', 10, 5)} ],
	updated => [ 'erp', q{UPDATE product SET price = 11 WHERE sku = '%s'} ],
	deleted => [ 'erp', q{DELETE FROM product WHERE sku = '%s'} ],
	again => [ 'erp', q{INSERT INTO product VALUES ('%s', 12, NULL)} ],
	title => [ 'pim', q{INSERT INTO product VALUES ('%s', 'Chair', 'Four legs')} ],
	note => [ 'crm', q{INSERT INTO product VALUES ('%s', 'sold to B')} ]);
my @orders = orders([qw(created updated deleted again)], ['title'], ['note']);
is(scalar @orders, 30, 'orders of the facts');
make_table('product');
subscribe($_, 'product', 'copy_data = false') foreach @feeds;
foreach my $step (0 .. $#{ $orders[0] })
{
	my %sql;

	foreach my $k (0 .. $#orders)
	{
		my ($feed, $statement) = @{ $facts{ $orders[$k][$step] } };
		push @{ $sql{$feed} }, sprintf($statement, "K$k");
	}
	foreach my $feed (keys %sql)
	{
		# half of the rounds in one transaction, half each statement alone
		sql($pub, $feed, $step % 2 ? 'BEGIN; ' . join('; ', @{ $sql{$feed} }) . '; COMMIT' : join(";\n", @{ $sql{$feed} }));
	}
	caught_up('product');
	hub("SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE pid IS NOT NULL") if $step % 2;
}
is(hub('SELECT count(*), count(DISTINCT (price, stock, title, descr, note, local)) FROM product'), '30|1', 'one result');
is(hub('SELECT DISTINCT price, stock, title, descr, note, local FROM product'), '12||Chair|Four legs|sold to B|ours', 'the result');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE outcome IN ('parked', 'remembered') AND resolved_at IS NULL}), '0', 'nothing waits any more');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE outcome IN ('discarded', 'kept', 'rejected')}), '0', 'nothing was refused');

# the ERP reloads in one transaction: by DELETE, and by TRUNCATE
sql($pub, 'erp', q{BEGIN; DELETE FROM product; INSERT INTO product SELECT 'K' || i, 20, i FROM generate_series(0, 29) i; COMMIT});
caught_up('product');
is(hub('SELECT DISTINCT price, title, descr, note FROM product'), '20|Chair|Four legs|sold to B', 'a reload by DELETE');
sql($pub, 'erp', q{BEGIN; TRUNCATE product; INSERT INTO product SELECT 'K' || i, 30, i FROM generate_series(0, 29) i; COMMIT});
caught_up('product');
is(hub('SELECT count(*), min(price), min(title), min(descr), min(note) FROM product'), '30|30|Chair|Four legs|sold to B', 'a reload by TRUNCATE');

# the ERP deletes for good: the values wait
sql($pub, 'erp', q{DELETE FROM product WHERE sku = 'K7'});
caught_up('product');
is(hub(q{SELECT outcome, stored->>'title', stored->>'note' FROM ownership.conflict WHERE row_key = '{"sku": "K7"}' AND resolved_at IS NULL}),
	'remembered|Chair|sold to B', 'what was deleted waits');

# a feed sends a row again, a NULL in an own column included
sql($pub, 'pim', q{UPDATE product SET descr = 'Five legs' WHERE sku = 'K1'; DELETE FROM product WHERE sku = 'K1'; INSERT INTO product VALUES ('K1', 'Stool', NULL)});
caught_up('product');
is(hub(q{SELECT price, title, descr, note FROM product WHERE sku = 'K1'}), '30|Stool||sold to B', 'a row that a feed deletes and sends again');

#
# First copies.
#
my $n = 0;
foreach my $order (orders(map { [$_] } @feeds))
{
	my $table = 'copied_' . $n++;

	make_table($table);
	sql($pub, 'erp', "INSERT INTO $table SELECT 'C' || i, i, 1 FROM generate_series(1, 500) i");
	sql($pub, 'pim', "INSERT INTO $table SELECT 'C' || i, 't' || i, NULL FROM generate_series(1, 500) i");
	sql($pub, 'crm', "INSERT INTO $table SELECT 'C' || i, 'n' || i FROM generate_series(1, 500) i");
	foreach my $feed (@$order)
	{
		subscribe($feed, $table, 'copy_data = true');
		wait_for($hub, 'integration', "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = srsubid WHERE subname = '${feed}_$table'");
	}
	is(hub("SELECT count(*), count(*) FILTER (WHERE title = 't' || price AND note = 'n' || price AND stock = 1 AND sku = 'C' || price AND descr IS NULL) FROM $table"),
		'500|500', "first copies in the order @$order");
	hub("ALTER SUBSCRIPTION ${_}_$table DISABLE; ALTER SUBSCRIPTION ${_}_$table SET (slot_name = NONE); DROP SUBSCRIPTION ${_}_$table") foreach @feeds;
	sql($pub, $_, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${_}_$table' AND NOT active") foreach @feeds;
}
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE outcome IN ('parked', 'remembered') AND resolved_at IS NULL AND table_name LIKE 'copied%'}), '0', 'nothing waits');

# all at once
make_table('together');
sql($pub, 'erp', "INSERT INTO together SELECT 'C' || i, i, 1 FROM generate_series(1, 3000) i");
sql($pub, 'pim', "INSERT INTO together SELECT 'C' || i, 't' || i, NULL FROM generate_series(1, 3000) i");
sql($pub, 'crm', "INSERT INTO together SELECT 'C' || i, 'n' || i FROM generate_series(1, 3000) i");
subscribe($_, 'together', 'copy_data = true') foreach @feeds;
wait_for($hub, 'integration', "SELECT count(*) = 3 FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = srsubid WHERE subname LIKE '%together' AND srsubstate = 'r'");
is(hub("SELECT count(*), count(*) FILTER (WHERE title = 't' || price AND note = 'n' || price) FROM together"), '3000|3000', 'first copies at the same time');

done_testing();
