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
	my ($wal, $name, $unguarded, $more) = @_;
	SKIP: {
		skip 'caches are discarded', 1 if $forgets;
		cmp_ok(($wal - ($more // 0)) / ($unguarded // $plain), '<=', 1.02, "$name: WAL");
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

# a shared table that has rows: only lines whose rows are there come to the guard; each of them
# is an UPDATE, with whole pages of table, index and counters
ratio(copy('own', $shared->('own') . q{; SET ownership.enforcement = off; INSERT INTO own VALUES (-1, 0, 'ours'), (5, -5, 'ours'), (15000, -5, 'ours')}), 'shared table with rows', undef, 8 * 8192);
is(hub('SELECT count(*), count(title), sum(id) FROM own'), ($rows + ($forgets ? 2 : 1)) . '|3|' . ($rows * ($rows + 1) / 2 - 1 + ($forgets ? 15000 : 0)), 'all rows are there');
is(hub('SELECT id, price, title FROM own WHERE title IS NOT NULL ORDER BY id'), $forgets ? "-1|0|ours\n5|5|ours\n15000|-5|ours" : "-1|0|ours\n5|5|ours\n15000|0|ours", 'those that were there before are met');
is(hub(q{SELECT columns FROM ownership.feed_column WHERE relid = 'own'::regclass}), '{id,price}', 'what the feed publishes is remembered');
is(hub('SELECT count(*) FROM ownership.conflict'), 0, 'no evidence');
is(counted('own'), $forgets ? 'id|1, price|2' : 'id|1, price|3', 'the copy counts as one write, and each row that is met as an UPDATE');
drop();

# keys of several columns, of any text, NULL, and twice in the copy
erp(q{CREATE TABLE code (price int, part numeric, code text);
	INSERT INTO code VALUES (1, 1.0, E'tab\tend'), (2, 1, E'back\\\\slash'), (3, 1, E'new\nline\rand'), (4, 1, ''), (5, 1, '\N'), (6, 1, 'x'), (7, 1.00, 'x'), (8, NULL, 'x'), (9, 1, NULL), (10, 2, 'x')});
my $ddl = q{CREATE TABLE code (code text, title text, price int, part numeric, UNIQUE (code, part));
	SELECT ownership.assign('code', '{code,part,price}', 'erp'), ownership.assign('code', '{title}', 'pim'); UPDATE ownership.field SET key = name IN ('code', 'part') WHERE entity = 'code'; SET ownership.enforcement = off};
copy('code', "$ddl; INSERT INTO code VALUES ('other', 'ours', 0, 1)");
my $all = hub(q{SELECT string_agg(concat_ws(',', code, part, price, title), ';' ORDER BY price) FROM code});
is($all =~ s/[\t\n\r]/_/gr, 'other,1,0,ours;tab_end,1.0,1;back\\slash,1,2;new_line_and,1,3;,1,4;\N,1,5;x,1.00,7;x,8;1,9;x,2,10', 'a key that comes twice is met, NULL is not');
drop();
copy('code', $ddl . q{; INSERT INTO code SELECT c, 'ours', 0, 1.000 FROM unnest(ARRAY[E'tab\tend', E'back\\\\slash', E'new\nline\rand', '', '\N', 'x']) c});
is(hub(q{SELECT count(*), count(title), string_agg(price::text, ',' ORDER BY price) FROM code}), '9|6|1,2,3,4,5,7,8,9,10', 'keys are met whatever is in them');
drop();

# a row filter, and a table in which all rows are there
copy('own', $shared->('own') . q{; SET ownership.enforcement = off; INSERT INTO own SELECT i, -1, 'ours' FROM generate_series(50, 150) i}, 'TABLE own (id, price) WHERE (id <= 100)');
is(hub('SELECT count(*), count(title), count(*) FILTER (WHERE price < 0) FROM own'), '150|101|50', 'a row filter');
drop();
copy('few', $shared->('few') . q{; SET ownership.enforcement = off; INSERT INTO few SELECT i, -1, 'ours' FROM generate_series(1, 6) i});
is(hub('SELECT id, price, title FROM few ORDER BY id'), "1|1|ours\n2|2|ours\n3|3|ours\n4|4|ours\n5|5|ours\n6|-1|ours", 'all rows are there');
is(counted('few'), 'price|5', 'each counts as an UPDATE');
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

# the same where the table has rows: the copy looks at its lines after the row came
$offset = -s $hub->logfile;
$n++;
erp("CREATE PUBLICATION p$n FOR TABLE few");
hub("DELETE FROM gate; SELECT ownership.identify('erp', subscription => 'sub$n'); DROP TABLE few; DELETE FROM ownership.field; " . $shared->('few') . ";
	CREATE TRIGGER waits BEFORE INSERT ON few EXECUTE FUNCTION wait(); ALTER TABLE few ENABLE REPLICA TRIGGER waits;
	SET ownership.enforcement = off; INSERT INTO gate VALUES (true); INSERT INTO few VALUES (9, 9, 'ours'); DELETE FROM gate; RESET ownership.enforcement;
	CREATE SUBSCRIPTION sub$n CONNECTION '$conninfo' PUBLICATION p$n");
wait_for($hub, 'integration', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
hub(q{SET ownership.system = 'erp'; INSERT INTO few (id, price) VALUES (3, 0)});
hub('INSERT INTO gate VALUES (true)');
$hub->wait_for_subscription_sync($pub, "sub$n", 'integration');
unlike(slurp_file($hub->logfile, $offset), qr/duplicate key value/, 'a row that came before its line is met');
is(hub('SELECT id, price FROM few ORDER BY id'), "1|1\n2|2\n3|3\n4|4\n5|5\n9|9", 'once');
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
