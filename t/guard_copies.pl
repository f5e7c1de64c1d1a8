# First copies of tables that several systems make: many at once, interrupted in the
# middle, into tables for which values wait, and copied again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 400;
my @feeds = qw(erp pim crm);
my %columns = (erp => 'sku text PRIMARY KEY, price int', pim => 'sku text PRIMARY KEY, title text, descr text', crm => 'sku text PRIMARY KEY, note text');
my %values = (erp => 'i', pim => q{'t' || i, NULL}, crm => q{'n' || i});
my $pub = new_node('sources', extra => "max_wal_senders = 60\nmax_replication_slots = 60\n");
my $hub = new_node('hub', preload => 1, extra =>
	  "wal_retrieve_retry_interval = '50ms'\nmax_logical_replication_workers = 40\nmax_worker_processes = 60\nmax_replication_slots = 60\n"
	  . ($pub->pg_version >= 18 ? "max_active_replication_origins = 60\n" : ''));
sql($pub, 'postgres', "CREATE DATABASE $_") foreach @feeds;
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub hub { return sql($hub, 'integration', $_[0]) }

hub(q{CREATE EXTENSION ownership;
	-- a copy that arrives at the middle row waits until the gate is open
	CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.sku = 'C200' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF; RETURN NEW; END $$});
hub("SELECT ownership.add_system('$_', '$_')") foreach @feeds;

# make_tables(NAME ...): in all databases, shared on the hub; with rows at the sources
sub make_tables
{
	foreach my $table (@_)
	{
		sql($pub, $_, "CREATE TABLE $table ($columns{$_}); INSERT INTO $table SELECT 'C' || i, $values{$_} FROM generate_series(1, $rows) i") foreach @feeds;
		hub(qq{
			CREATE TABLE $table (sku text PRIMARY KEY, price int, title text, descr text, note text, local text DEFAULT 'ours');
			SELECT ownership.assign('$table', '{sku,price}', 'erp', policy => 'keep');
			SELECT ownership.assign('$table', '{title,descr}', 'pim');
			SELECT ownership.assign('$table', '{note}', 'crm');
			CREATE TRIGGER a_gate BEFORE INSERT ON $table FOR EACH ROW EXECUTE FUNCTION gate();
			ALTER TABLE $table ENABLE ALWAYS TRIGGER a_gate});
	}
	return;
}

sub subscribe
{
	my ($feed, $name, @tables) = @_;
	my $conninfo = connstr($pub, $feed);

	sql($pub, $feed, "CREATE PUBLICATION $name FOR TABLE " . join(', ', @tables));
	hub("SELECT ownership.identify('$feed', subscription => '${feed}_$name')");
	hub("CREATE SUBSCRIPTION ${feed}_$name CONNECTION '$conninfo' PUBLICATION $name");
	return;
}

sub synced
{
	my ($name) = @_;
	return wait_for($hub, 'integration', "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = srsubid WHERE subname LIKE '%\\_$name'");
}

sub caught_up
{
	my ($name) = @_;

	foreach my $feed (@feeds)
	{
		my $lsn = sql($pub, $feed, 'SELECT pg_current_wal_lsn()');
		wait_for($pub, $feed, "SELECT coalesce(bool_and(confirmed_flush_lsn >= '$lsn'), true) FROM pg_replication_slots WHERE slot_name = '${feed}_$name'");
	}
	return;
}

# closed(CODE): runs with the gate closed
sub closed
{
	my ($code) = @_;
	my $gate = $hub->background_psql('integration');

	$gate->query_safe('SELECT pg_advisory_lock(1)');
	$code->($gate);
	$gate->quit;
	return;
}

# the copies that wait, at the gate or for another one's rows
my $waiting = q{FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%' AND wait_event_type = 'Lock'};

# complete(TABLE): number of rows, and of those with the values of all systems
sub complete
{
	my ($table) = @_;
	return hub("SELECT count(*), count(*) FILTER (WHERE sku = 'C' || price AND title = 't' || price AND descr IS NULL AND note = 'n' || price AND local = 'ours') FROM $table");
}

#
# Many tables of many feeds at once
#
my @tables = map { "many_$_" } 1 .. 6;
make_tables(@tables);
subscribe($_, 'many', @tables) foreach @feeds;
synced('many');
is(complete($_), "$rows|$rows", "$_, among others, by three feeds at once") foreach @tables;
is(hub('SELECT count(*) FROM ownership.waiting'), '0', 'nothing waits');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE outcome NOT IN ('parked', 'remembered')}), '0', 'nothing was refused');

#
# Copies that are interrupted in the middle: workers end, then the whole hub does.  What
# the sources write meanwhile, the same workers apply after the copy.  (UPDATEs of rows that
# are not there yet are lost, as ever: here are INSERTs.)
#
make_tables('halted');
closed(sub {
	my ($gate) = @_;

	subscribe($_, 'halted', 'halted') foreach @feeds;
	wait_for($hub, 'integration', "SELECT count(*) = 3 $waiting");
	hub("SELECT pg_terminate_backend(pid) $waiting");
	wait_for($hub, 'integration', "SELECT count(*) = 3 $waiting");
	is(hub('SELECT count(*) FROM halted'), '0', 'interrupted copies leave nothing');
	is(hub(q{SELECT count(*) FROM ownership.conflict WHERE table_name = 'halted'}), '0', 'and no evidence');
	# one of them alone
	hub("SELECT pg_terminate_backend(pid) FROM (SELECT pid $waiting ORDER BY pid LIMIT 1) a");
	wait_for($hub, 'integration', "SELECT count(*) = 3 $waiting");
	sql($pub, 'erp', q{DELETE FROM halted WHERE sku = 'C1'; INSERT INTO halted VALUES ('N1', 1001); UPDATE halted SET sku = 'N2' WHERE sku = 'C2'; DELETE FROM halted WHERE sku = 'C3'; INSERT INTO halted VALUES ('C3', 3)});
	sql($pub, 'pim', q{INSERT INTO halted VALUES ('N1', 'n1', 'd'), ('N2', 'n2', 'd'), ('N3', 'n3', 'd'); DELETE FROM halted WHERE sku IN ('C4', 'C5'); INSERT INTO halted VALUES ('C4', 'changed'), ('C5', 'again')});
	sql($pub, 'crm', q{BEGIN; UPDATE halted SET note = 'never'; ROLLBACK; DELETE FROM halted WHERE sku IN ('C4', 'C300'); INSERT INTO halted VALUES ('C4', 'changed'), ('C300', 'changed')});
});
synced('halted');
caught_up('halted');
is(hub('SELECT count(*) FROM halted'), $rows, 'rows that were copied again, and changed meanwhile');
is(hub(q{SELECT count(*) FROM halted WHERE NOT (title = 't' || price AND note = 'n' || price AND descr IS NULL) OR title IS NULL OR note IS NULL}), 5, 'all but those');
is(hub(q{SELECT sku, price, title, descr, note FROM halted WHERE sku IN ('C1', 'C2', 'C3', 'C4', 'C5', 'C300', 'N1', 'N3') ORDER BY sku}),
	"C3|3|t3||n3\nC300|300|t300||changed\nC4|4|changed||changed\nC5|5|again||n5\nN1|1001|n1|d|", 'with what was written meanwhile');
is(hub(q{SELECT price, title, descr FROM halted WHERE sku = 'N2'}), '2|n2|d', 'and with a key that was given meanwhile');
# Of C2: what came before or after the row got its other key.  Of C1, a NULL that the PIM's
# copy parks after the ERP's DELETE, and that goes with the row before it: either is NULL later.
is(hub(q{SELECT row_key, column_name, value FROM ownership.waiting WHERE row_key <> '{"sku": "C2"}' AND value IS NOT NULL ORDER BY row_key, column_name}),
	join("\n", '{"sku": "C1"}|note|n1', '{"sku": "C1"}|title|t1', '{"sku": "N3"}|descr|d', '{"sku": "N3"}|title|n3'),
	'what waits for rows that are not there');

make_tables('crashed');
closed(sub {
	subscribe($_, 'crashed', 'crashed') foreach @feeds;
	wait_for($hub, 'integration', "SELECT count(*) = 3 $waiting");
	$hub->stop('immediate');
});
$hub->start;
synced('crashed');
is(complete('crashed'), "$rows|$rows", 'after a crash of the hub');

#
# Into a table for which values wait: parked, remembered, one that does not fit, some in
# transactions that have not ended, one of these prepared
#
make_tables('awaited');
hub(q{ALTER TABLE awaited ADD CHECK (title <> 'bad')});
hub(q{
	SET ownership.system = 'erp';
	INSERT INTO awaited (sku, price) SELECT 'C' || i, 0 FROM generate_series(1, 50) i;
	SET ownership.system = 'pim';
	UPDATE awaited SET title = 'remembered ' || sku, descr = 'd';
	INSERT INTO awaited (sku, title, descr) SELECT 'C' || i, 'parked C' || i, 'd' FROM generate_series(51, 100) i;
	INSERT INTO awaited (sku, title, descr) VALUES ('C150', 'bad', 'd');
	SET ownership.system = 'erp';
	DELETE FROM awaited;
	SET ownership.system = 'pim';
	BEGIN;
	INSERT INTO awaited (sku, title, descr) SELECT 'C' || i, 'prepared C' || i, 'd' FROM generate_series(101, 110) i;
	PREPARE TRANSACTION 'parked'});
my $open = $hub->background_psql('integration');
$open->query_safe(q{SET client_min_messages = error; SET ownership.system = 'pim'; BEGIN; INSERT INTO awaited (sku, title, descr) SELECT 'C' || i, 'open C' || i, 'd' FROM generate_series(111, 120) i});
my $offset = -s $hub->logfile;
subscribe('erp', 'awaited', 'awaited');
wait_for($hub, 'integration', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%' AND wait_event_type = 'Lock'});
hub(q{COMMIT PREPARED 'parked'});
$open->query_safe('COMMIT');
$open->quit;
synced('awaited');
is(hub(q{SELECT split_part(title, ' ', 1), count(*), count(*) FILTER (WHERE title LIKE '% ' || sku AND price::text = substr(sku, 2) AND descr = 'd') FROM awaited WHERE title IS NOT NULL GROUP BY 1 ORDER BY 1}),
	"open|10|10\nparked|50|50\nprepared|10|10\nremembered|50|50", 'what waits comes into the copied rows');
is(hub(q{SELECT count(*), count(*) FILTER (WHERE descr IS NULL) FROM awaited}), "$rows|" . ($rows - 121), 'the other rows have none');
is(hub(q{SELECT sku, title, descr FROM awaited WHERE sku = 'C150'}), 'C150||d', 'nor has a row for which a value does not fit');
is(hub(q{SELECT column_name, value FROM ownership.waiting WHERE row_key = '{"sku": "C150"}'}), 'title|bad', 'which goes on waiting');
unlike(slurp_file($hub->logfile, $offset), qr/ERROR/, 'no copy was stopped');

#
# A copy tells what the feed publishes, also to the worker that applies its changes
#
make_tables('again');
sql($pub, $_, 'TRUNCATE again') foreach @feeds;
subscribe($_, 'again', 'again') foreach qw(erp pim);
synced('again');
sql($pub, 'erp', q{INSERT INTO again VALUES ('A', 1), ('B', 2)});
caught_up('again');
sql($pub, 'pim', q{INSERT INTO again VALUES ('A', 'a', NULL)});
caught_up('again');
hub(q{SET ownership.system = 'pim'; UPDATE again SET descr = 'old'});
sql($pub, 'pim', q{DELETE FROM again; INSERT INTO again VALUES ('A', 'b', NULL)});
caught_up('again');
is(hub(q{SELECT sku, title, descr FROM again ORDER BY sku}), "A|b|old\nB||old", 'it is not known that the feed publishes the column');
sql($pub, 'pim', q{ALTER PUBLICATION again DROP TABLE again});
hub('ALTER SUBSCRIPTION pim_again REFRESH PUBLICATION');
sql($pub, 'pim', q{ALTER PUBLICATION again ADD TABLE again});
hub('ALTER SUBSCRIPTION pim_again REFRESH PUBLICATION');
synced('again');
is(hub(q{SELECT sku, title, descr FROM again ORDER BY sku}), "A|b|\nB||old", 'copied again, it is');
sql($pub, 'pim', q{INSERT INTO again VALUES ('B', 'b', NULL)});
caught_up('again');
is(hub(q{SELECT sku, title, descr FROM again ORDER BY sku}), "A|b|\nB|b|", 'and to the worker that applies changes');
done_testing();
