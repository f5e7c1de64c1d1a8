# The first copy of a subscribed table without the guard's triggers: WAL, evidence,
# what the feed publishes, what waits, what is counted, and where the guard fires.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $quiet = "autovacuum = off\ncheckpoint_timeout = 1h\nmax_wal_size = 4GB\n";
my $pub = new_node('source', extra => $quiet);
my $hub = new_node('hub', preload => 1, activity => 1, extra => $quiet . "wal_retrieve_retry_interval = '100ms'\nownership.flush_interval = '50ms'\n");
sql($hub, 'postgres', 'CREATE DATABASE integration');
sub erp { return sql($pub, 'postgres', $_[0]) }
sub hub { return sql($hub, 'integration', $_[0]) }

# a server that forgets its caches all the time finds no list that was changed
my $forgets = hub("SELECT setting FROM pg_settings WHERE name = 'debug_discard_caches'") ne '0';
my $rows = $forgets ? 1000 : 20_000;
my $columns = 'id int, price numeric, title text, PRIMARY KEY (id)';
hub(qq{CREATE EXTENSION ownership; SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim')});
erp("CREATE TABLE own (id int PRIMARY KEY, price numeric); INSERT INTO own SELECT i, i % 1000 FROM generate_series(1, $rows) i;
	CREATE TABLE land (LIKE own INCLUDING ALL); INSERT INTO land TABLE own;
	CREATE TABLE empty (LIKE own INCLUDING ALL);
	CREATE TABLE few (LIKE own INCLUDING ALL); INSERT INTO few SELECT i, i FROM generate_series(1, 5) i");
my $conninfo = connstr($pub, 'postgres');
my $n = 0;

# copy(TABLE AT THE SOURCE, DDL, OPTIONS): the bytes of WAL that its first copy into a table of this name writes
sub copy
{
	my ($table, $ddl, $for) = @_;
	my $name = 'sub' . ++$n;
	$for //= "TABLE $table";
	erp("CREATE PUBLICATION p$n FOR $for");
	hub("SELECT ownership.identify('erp', subscription => '$name'); DROP TABLE IF EXISTS $table; DELETE FROM ownership.mirrored_table; DELETE FROM ownership.field; TRUNCATE ownership.activity; $ddl");
	hub("CREATE SUBSCRIPTION $name CONNECTION '$conninfo' PUBLICATION p$n WITH (enabled = false)");
	hub('VACUUM');
	hub('CHECKPOINT');
	my $from = hub('SELECT pg_current_wal_insert_lsn()');
	hub("ALTER SUBSCRIPTION $name ENABLE");
	wait_for($hub, 'integration', "SELECT bool_and(srsubstate IN ('s', 'r')) FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = srsubid WHERE subname = '$name'");
	return hub("SELECT pg_current_wal_insert_lsn() - '$from'");
}
sub drop { hub("DROP SUBSCRIPTION sub$n"); return }

my $shared = sub {
	my ($table, $policy, $rest) = (@_, '', '');
	return "CREATE TABLE $table ($columns) $rest; SELECT ownership.assign('$table', '{id,price}', 'erp'), ownership.assign('$table', '{title}', 'pim'); UPDATE ownership.field SET key = (name = 'id') WHERE entity = '$table'";
};
my $plain = copy('own', "CREATE TABLE own ($columns)");
drop();
sub ratio
{
	my ($wal, $name, $unguarded) = @_;
	SKIP: {
		skip 'caches are discarded', 1 if $forgets;
		cmp_ok($wal / ($unguarded // $plain), '<=', 1.02, "$name: WAL");
	}
	return;
}

sub counted
{
	hub('SELECT ownership.flush()');
	return hub(qq{SELECT column_name, writes FROM ownership.activity WHERE table_name = '$_[0]' AND system = 'erp' AND writes > 0 ORDER BY 1}) =~ s/\n/, /r;
}

ratio(copy('land', "CREATE TABLE land ($columns); SELECT ownership.add_tables('public.land', source => 'erp')"), 'landing table');
is(hub('SELECT count(*) FROM land'), $rows, 'all rows are there');
is(counted('land'), 'id|1, price|1', 'the copy counts as one write');
drop();

ratio(copy('own', $shared->('own')), 'shared table');
is(hub('SELECT count(*), count(title) FROM own'), "$rows|0", 'all rows are there');
is(hub(q{SELECT columns FROM ownership.feed_column WHERE relid = 'own'::regclass}), '{id,price}', 'what the feed publishes is remembered');
is(hub('SELECT count(*) FROM ownership.conflict'), 0, 'no evidence');
is(counted('own'), 'id|1, price|1', 'the copy counts as one write');
erp('INSERT INTO own VALUES (-1, 1)');
hub(q{SET ownership.enforcement = off; INSERT INTO own (id, price) VALUES (-2, 0)});
erp('INSERT INTO own VALUES (-2, 2)');
$pub->wait_for_catchup("sub$n");
is(hub('SELECT id, price FROM own WHERE id < 0 ORDER BY id'), "-2|2\n-1|1", 'what comes after the copy is guarded, and meets its rows');
drop();
erp('DELETE FROM own WHERE id < 0');

# a copy of no rows is no write
copy('empty', $shared->('empty'));
is(counted('empty'), '', 'a copy of no rows counts as none');
drop();

# a row filter: the worker asks for the rows in another way
{
	copy('own', $shared->('own'), 'TABLE own (id, price) WHERE (id <= 100)');
	is(hub('SELECT count(*) FROM own'), 100, 'a row filter');
	is(hub(q{SELECT columns FROM ownership.feed_column WHERE relid = 'own'::regclass}), '{id,price}', 'what the feed publishes is remembered');
	drop();
}

# partitions
my $parts = join('; ', map { "CREATE TABLE own_$_ PARTITION OF own FOR VALUES FROM (" . $_ * 10000 . ') TO (' . ($_ + 1) * 10000 . ')' } 0 .. 2);
my $unguarded = copy('own', "CREATE TABLE own ($columns) PARTITION BY RANGE (id); $parts");
drop();
ratio(copy('own', $shared->('own', '', 'PARTITION BY RANGE (id)') . "; $parts"), 'partitions', $unguarded);
is(hub('SELECT count(*), count(DISTINCT tableoid) FROM own'), ($forgets ? "$rows|1" : "$rows|3"), 'all rows are there');
drop();

# what waits lands at the end of the copy
copy('own', $shared->('own') . q{; SET ownership.system = 'pim'; UPDATE ownership.field SET policy = 'keep' WHERE entity = 'own';
	INSERT INTO own (id, title) SELECT i * 100, 'waits' FROM generate_series(1, 10) i});
is(hub(q{SELECT count(*), count(title), sum(id) FILTER (WHERE title = 'waits') FROM own}), "$rows|10|5500", 'what waits lands');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE outcome = 'parked' AND resolution = 'applied'}), 10, 'and is told to have landed');
drop();
hub('TRUNCATE ownership.conflict');

# rows that are there are met
copy('few', $shared->('few') . q{; SET ownership.enforcement = off; INSERT INTO few VALUES (2, 0, 'ours')});
is(hub('SELECT id, price, title FROM few ORDER BY id'), "1|1|\n2|2|ours\n3|3|\n4|4|\n5|5|", 'rows that are there are met');
drop();

# what is not the feed's own is kept out, as ever
erp(q{ALTER TABLE few ADD title text; UPDATE few SET title = 'theirs'});
copy('few', $shared->('few'));
is(hub('SELECT count(*), count(title) FROM few'), '5|0', 'a foreign column is kept out');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE outcome = 'kept'}), 5, 'with evidence');
is(hub(q{SELECT columns FROM ownership.feed_column WHERE relid = 'few'::regclass}), '{id,price,title}', 'what the feed publishes is remembered');
drop();
erp('ALTER TABLE few DROP title');

# a row of another session comes first: the copy fails, is started again, and meets it
my $offset = -s $hub->logfile;
hub('CREATE TABLE gate (open boolean)');
my $waits = q{CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		WHILE NOT EXISTS (SELECT FROM public.gate) LOOP PERFORM pg_sleep(0.01); END LOOP;
		RETURN NULL;
	END $$;
	CREATE TRIGGER waits BEFORE INSERT ON few EXECUTE FUNCTION wait(); ALTER TABLE few ENABLE REPLICA TRIGGER waits};
$n++;
erp("CREATE PUBLICATION p$n FOR TABLE few");
hub("SELECT ownership.identify('erp', subscription => 'sub$n'); DROP TABLE few; DELETE FROM ownership.field; " . $shared->('few') . "; $waits;
	CREATE SUBSCRIPTION sub$n CONNECTION '$conninfo' PUBLICATION p$n");
wait_for($hub, 'integration', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
hub(q{SET ownership.system = 'erp'; INSERT INTO few (id, price) VALUES (3, 0)});
hub('INSERT INTO gate VALUES (true)');
$hub->wait_for_subscription_sync($pub, "sub$n", 'integration');
like(slurp_file($hub->logfile, $offset), qr/duplicate key value/, 'a row that came first stops the copy');
is(hub('SELECT id, price FROM few ORDER BY id'), "1|1\n2|2\n3|3\n4|4\n5|5", 'which is started again, and meets it');
drop();

# the map is edited by the copy's own trigger
$offset = -s $hub->logfile;
$n++;
erp("CREATE PUBLICATION p$n FOR TABLE few");
hub("SELECT ownership.identify('erp', subscription => 'sub$n'); DROP TABLE few; DELETE FROM ownership.field; " . $shared->('few') . q{;
	CREATE FUNCTION edit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		UPDATE ownership.field SET owner = 'pim' WHERE entity = 'few' AND name = 'price';
		RETURN NULL;
	END $$;
	CREATE TRIGGER edits AFTER INSERT ON few EXECUTE FUNCTION edit(); ALTER TABLE few ENABLE REPLICA TRIGGER edits;} . "
	CREATE SUBSCRIPTION sub$n CONNECTION '$conninfo' PUBLICATION p$n WITH (disable_on_error = true)");
my $log = '';
for (1 .. 300)
{
	$log = slurp_file($hub->logfile, $offset);
	last if $log =~ /could not judge the rows of COPY/;
	select undef, undef, undef, 0.1;
}
like($log, qr/could not judge the rows of COPY/, 'the copy edits the map: it fails');
is(hub('SELECT count(*) FROM few'), 0, 'and nothing of it is there');
hub("DROP TRIGGER edits ON few; ALTER SUBSCRIPTION sub$n ENABLE");
$hub->wait_for_subscription_sync($pub, "sub$n", 'integration');
is(hub('SELECT count(*) FROM few'), 5, 'until it does not any more');
drop();
done_testing();
