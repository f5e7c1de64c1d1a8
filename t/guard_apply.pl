# Many row changes in one replicated transaction: the guard is lifted off them, or does not
# look at each.  What is counted, what an edit of the map does meanwhile, and that all that
# the guard does for rows is done for the last ones, too.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('source', extra => "logical_decoding_work_mem = 64kB\n");
my $hub = new_node('hub', preload => 1, activity => 1, extra => "wal_retrieve_retry_interval = '100ms'\nownership.flush_interval = '50ms'\n");
sql($hub, 'postgres', 'CREATE DATABASE integration');
sub erp { return sql($pub, 'postgres', $_[0]) }
sub hub { return sql($hub, 'integration', $_[0]) }
my $conninfo = connstr($pub, 'postgres');
hub(q{CREATE EXTENSION ownership; SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim'), ownership.add_system('crm', 'crm');
	SELECT ownership.identify('erp', subscription => 'feed')});

my $n = 40;
my $here = 'id int PRIMARY KEY, price numeric, stock int';
my %ddl = (
	land => q{SELECT ownership.add_tables('public.land', source => 'erp')},
	parts => q{CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (0) TO (1000); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1000) TO (9000);
		SELECT ownership.add_tables('public.parts', source => 'erp')},
	(map { $_ => qq{SELECT ownership.assign('$_', '{id,price,stock}', 'erp'), ownership.assign('$_', '{title}', 'pim')} } qw(shared other past pins blank moved)),
	whole => q{SELECT ownership.assign('whole', '{id,price,stock}', 'erp')},
	refused => q{SELECT ownership.assign('refused', '{id,price}', 'erp'), ownership.assign('refused', '{stock,title}', 'pim', policy => 'keep')});
foreach my $t (sort keys %ddl)
{
	erp("CREATE TABLE $t ($here); INSERT INTO $t SELECT i, i, 0 FROM generate_series(1, $n) i");
	hub("CREATE TABLE $t ($here, title text) " . ($t eq 'parts' ? 'PARTITION BY RANGE (id)' : '') . "; $ddl{$t}; SET ownership.enforcement = off; INSERT INTO $t SELECT i, i, 0, 'ours' FROM generate_series(1, $n) i");
}
erp('CREATE PUBLICATION p FOR ALL TABLES');
hub("CREATE SUBSCRIPTION feed CONNECTION '$conninfo' PUBLICATION p WITH (copy_data = false)");
$hub->wait_for_subscription_sync($pub, 'feed', 'integration');

sub caught_up
{
	return if eval { $pub->wait_for_catchup('feed'); 1 };
	fail('the stream goes on');
	die $@;
}
sub uncounted { caught_up(); hub('SELECT ownership.flush(); TRUNCATE ownership.activity'); return }
# feed(SQL at the source, in one transaction)
sub feed { erp("BEGIN; $_[0]; COMMIT"); caught_up(); return }

# counted(TABLE, WANTED, NAME): "column|writes, ..."; the worker hands over what it counted a little later
sub counted
{
	my ($table, $wanted, $name) = @_;
	my $got = '';
	foreach (1 .. 100)
	{
		hub('SELECT ownership.flush()');
		$got = hub(qq{SELECT string_agg(column_name || '|' || writes, ', ' ORDER BY column_name) FROM ownership.activity WHERE table_name = '$table' AND system = 'erp' AND writes > 0});
		last if $got eq $wanted;
		select undef, undef, undef, 0.1;
	}
	is($got, $wanted, "$name: counted");
	hub("DELETE FROM ownership.activity WHERE table_name = '$table'");
	return;
}
# changes(TABLE): UPDATE, INSERT and DELETE of many rows, each kind for itself, and together
sub changes
{
	my ($t) = @_;
	foreach my $name ("UPDATE $t", "UPDATE $t again")
	{
		feed("UPDATE $t SET price = price + 1");
		counted($t, "price|$n", $name);
	}
	feed("INSERT INTO $t SELECT i, i, 0 FROM generate_series($n + 1, 2 * $n) i");
	counted($t, "id|$n, price|$n, stock|$n", "INSERT INTO $t");
	feed("DELETE FROM $t WHERE id > $n");
	counted($t, "id|$n", "DELETE FROM $t");
	feed("UPDATE $t SET price = price + 1; INSERT INTO $t SELECT i, i, 0 FROM generate_series($n + 1, $n + 20) i; DELETE FROM $t WHERE id > $n; UPDATE $t SET stock = stock + 1");
	# the second UPDATE counts like the first rows of the first
	counted($t, "id|40, price|" . ($n + 20 + $n) . ", stock|20", "all kinds together on $t");
	is(hub("SELECT count(*), sum(price), sum(stock), count(title) FROM $t"), erp("SELECT count(*), sum(price), sum(stock) FROM $t") . "|$n", "$t is as at the source");
	return;
}
changes($_) foreach qw(land shared parts);
feed("UPDATE land SET price = price + 1; UPDATE other SET price = price + 1; UPDATE land SET price = price + 1 WHERE id <= 5; UPDATE shared SET price = price + 1");
counted('land', 'price|45', 'several tables in turns');
counted('other', "price|$n", 'several tables in turns');
counted('shared', "price|$n", 'several tables in turns');
feed("UPDATE parts SET id = id + 1000");
is(hub('SELECT count(*), min(id), count(title) FROM parts_1'), "$n|1001|$n", 'rows move between partitions of a landing table');
feed('UPDATE parts SET price = 7');
is(hub('SELECT count(*) FROM parts_1 WHERE price = 7'), $n, 'and are written there');
uncounted();

# rows that change nothing come first
feed("UPDATE land SET price = price; UPDATE shared SET price = price; UPDATE land SET price = price + 1; UPDATE shared SET price = price + 1");
counted('land', "price|$n", 'after rows that change nothing');
counted('shared', "price|$n", 'after rows that change nothing');

# what statistics do not tell
hub('ALTER DATABASE integration SET track_counts = off; ALTER SUBSCRIPTION feed DISABLE');
wait_for($hub, 'integration', 'SELECT count(*) = 0 FROM pg_stat_subscription WHERE pid IS NOT NULL');
hub('ALTER SUBSCRIPTION feed ENABLE');
feed('UPDATE land SET price = price + 1');
counted('land', "price|$n", 'track_counts = off');
hub('ALTER DATABASE integration RESET track_counts; ALTER SUBSCRIPTION feed DISABLE');
wait_for($hub, 'integration', 'SELECT count(*) = 0 FROM pg_stat_subscription WHERE pid IS NOT NULL');
hub('ALTER SUBSCRIPTION feed ENABLE');

# TRUNCATE, which statistics count anew after
feed("UPDATE land SET price = price + 1; TRUNCATE land; INSERT INTO land SELECT i, i, 0 FROM generate_series(1, $n) i");
counted('land', "id|41, price|80, stock|40", 'TRUNCATE in the middle of a transaction');
is(hub('SELECT count(*) FROM land'), $n, 'TRUNCATE in the middle of a transaction');
erp("CREATE TABLE gate (id int)");
hub("CREATE TABLE gate (id int); ALTER SUBSCRIPTION feed REFRESH PUBLICATION");
$hub->wait_for_subscription_sync($pub, 'feed', 'integration');

# stopped(TABLE, SQL at the source, code): runs the code while the worker waits for row 30 of the table
sub stopped
{
	my ($table, $sql, $code) = @_;
	my $locker = $hub->background_psql('integration');

	$locker->query_safe("BEGIN; SELECT FROM $table WHERE id = 30 FOR UPDATE");
	erp("BEGIN; $sql; COMMIT");
	wait_for($hub, 'integration', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%' AND wait_event_type = 'Lock'});
	$code->();
	$locker->query_safe('COMMIT');
	$locker->quit;
	caught_up();
	return;
}
# an edit while the worker is in the middle of a transaction, in the order of the rows
my $in_order = 'FOR i IN 1..40 LOOP UPDATE %s SET price = -1, stock = -1 WHERE id = i; END LOOP';
sub in_order { return 'DO $$ BEGIN ' . sprintf($in_order, $_[0]) . '; END $$' }
stopped('shared', in_order('shared'), sub { hub(q{UPDATE ownership.field SET owner = 'pim' WHERE entity = 'shared' AND name = 'stock'}) });
is(hub('SELECT count(*) FILTER (WHERE stock = -1), count(*) FILTER (WHERE price = -1) FROM shared'), "29|$n", 'shared table: an edit applies to the next row');
is(hub(q{SELECT count(*), min(columns::text) FROM ownership.conflict WHERE table_name = 'shared' AND outcome = 'kept'}), '11|{stock}', 'and what it keeps out is evidence');
hub(q{UPDATE ownership.field SET owner = 'erp' WHERE entity = 'shared' AND name = 'stock'; TRUNCATE ownership.conflict});

stopped('land', in_order('land'), sub { hub(q{UPDATE ownership.field SET owner = 'pim' WHERE entity = 'land' AND name = 'stock'; UPDATE ownership.mirrored_table SET source = NULL WHERE table_name = 'land'}) });
is(hub('SELECT count(*) FILTER (WHERE stock = -1), count(*) FILTER (WHERE price = -1) FROM land'), "$n|$n", 'landing table: an edit does not apply to the transaction under way');
counted('land', "price|$n, stock|$n", 'landing table, an edit meanwhile');
feed('UPDATE land SET price = -2, stock = -2');
is(hub('SELECT count(*) FILTER (WHERE stock = -1), count(*) FILTER (WHERE price = -2) FROM land'), "$n|$n", 'but to the next');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE table_name = 'land' AND outcome = 'kept'}), $n, 'and what it keeps out is evidence');
hub(q{UPDATE ownership.mirrored_table SET source = 'erp' WHERE table_name = 'land'; TRUNCATE ownership.conflict});
feed('UPDATE land SET price = 0, stock = 0');
is(hub('SELECT count(*) FROM land WHERE stock = 0 AND price = 0'), $n, 'a landing table again');
uncounted();

# DDL while the worker is in the middle of a transaction, on another table: all lists are read anew
stopped('land', 'UPDATE land SET price = price + 1', sub { hub('VACUUM pg_class; CREATE INDEX ON other (price)') });
counted('land', "price|$n", 'lists that are read anew');
hub('ALTER TABLE land ADD extra int DEFAULT 1; ALTER TABLE shared ADD extra int DEFAULT 1');
feed('UPDATE land SET price = price + 1; UPDATE shared SET price = price + 1');
counted('land', "price|$n", 'DDL between transactions');
counted('shared', "price|$n", 'DDL between transactions');

# who the feed is, and what is enforced
hub(q{UPDATE ownership.identity SET system = 'crm' WHERE name = 'feed'});
feed('UPDATE land SET price = -3; UPDATE shared SET price = -3');
is(hub('SELECT (SELECT count(*) FROM land WHERE price = -3), (SELECT count(*) FROM shared WHERE price = -3)'), '0|0', 'the feed is another system: nothing is its own');
hub(q{ALTER SYSTEM SET ownership.enforcement = observe; SELECT pg_reload_conf(); TRUNCATE ownership.conflict});
feed('UPDATE land SET price = -4');
is(hub(q{SELECT outcome, count(*) FROM ownership.conflict WHERE table_name = 'land' GROUP BY 1}), "observed|$n", 'a landing table of another system: evidence of each row that goes through');
hub(q{ALTER SYSTEM RESET ownership.enforcement; SELECT pg_reload_conf()});
hub(q{UPDATE ownership.identity SET system = 'erp' WHERE name = 'feed'; TRUNCATE ownership.conflict});
uncounted();
feed('UPDATE refused SET price = 1');
hub(q{ALTER SYSTEM SET ownership.enforcement = observe; SELECT pg_reload_conf()});
feed(q{UPDATE refused SET price = 2, stock = -4});
my $observed = hub(q{SELECT outcome, count(*) FROM ownership.conflict WHERE table_name = 'refused' GROUP BY 1});
is($observed, "observed|$n", 'enforcement becomes observe: evidence of each row');
hub(q{ALTER SYSTEM RESET ownership.enforcement; SELECT pg_reload_conf(); TRUNCATE ownership.conflict});
feed(q{UPDATE refused SET price = 3, stock = -5});
is(hub(q{SELECT outcome, count(*), (SELECT count(*) FROM refused WHERE stock = -5), (SELECT count(*) FROM refused WHERE price = 3) FROM ownership.conflict WHERE table_name = 'refused' GROUP BY 1}), "kept|$n|0|$n", 'and on again: each row is judged');

# the row's own matters: for the last of many rows, too
hub(q{UPDATE ownership.field SET history = true WHERE entity = 'past' AND name = 'price'; UPDATE ownership.field SET on_blank = 'keep' WHERE entity = 'blank' AND name = 'price';
	SELECT ownership.pin('pins', '{"id": 35}', 'price'); TRUNCATE ownership.conflict});
feed('UPDATE past SET price = price + 1; UPDATE blank SET price = CASE WHEN id = 35 THEN NULL ELSE 1 END; UPDATE pins SET price = 0');
is(hub('SELECT count(*) FROM ownership.history'), $n, 'history of each row');
is(hub('SELECT count(*), max(price) FROM blank WHERE price <> 1'), '1|35', 'a blank is kept out');
is(hub('SELECT price FROM pins WHERE price <> 0'), '35', 'a pinned value holds');
hub(q{SELECT ownership.unpin('pins', '{"id": 35}', 'price')});
stopped('pins', 'UPDATE pins SET price = -1 WHERE id <= 34; UPDATE pins SET price = -1 WHERE id > 34', sub { hub(q{SELECT ownership.pin('pins', '{"id": 36}', 'price')}) });
is(hub('SELECT id, price FROM pins WHERE price <> -1'), '36|0', 'a value that is pinned meanwhile holds');

# a shared table of which the feed owns all: a row that is there is met
erp("INSERT INTO whole SELECT i, i, 0 FROM generate_series(101, 140) i");
hub("SET ownership.enforcement = off; INSERT INTO whole VALUES (235, 0, 5)");
feed('INSERT INTO whole SELECT i, i, 0 FROM generate_series(201, 240) i');
is(hub('SELECT count(*), max(price) FILTER (WHERE id = 235) FROM whole WHERE id > 100'), '80|235', 'the last rows meet what is stored, too');

# an UPDATE names no column whose large value is unchanged: the next one may name it
erp("ALTER TABLE whole ADD title text; ALTER TABLE whole ALTER title SET STORAGE EXTERNAL; UPDATE whole SET title = repeat('x', 4000)");
hub(q{ALTER TABLE whole ALTER title SET STORAGE EXTERNAL; SET ownership.enforcement = off; UPDATE whole SET title = repeat('x', 4000)});
caught_up();
hub(q{SELECT ownership.assign('whole', '{title}', 'pim')});
feed(q{UPDATE whole SET price = -1; UPDATE whole SET title = 'theirs' WHERE id = 35});
is(hub('SELECT count(*) FILTER (WHERE price = -1), count(*) FILTER (WHERE length(title) = 4000) FROM whole'), '120|120', 'a column that only a later UPDATE names is kept out');

# a row that gets another key takes what waits for it
hub(q{UPDATE ownership.field SET policy = 'keep' WHERE entity = 'moved'; SET ownership.system = 'pim'; INSERT INTO moved (id, title) VALUES (1035, 'waits')});
feed('UPDATE moved SET price = 1; UPDATE moved SET id = id + 1000 WHERE id = 35');
is(hub('SELECT title FROM moved WHERE id = 1035'), 'waits', 'another key: what waits for it lands');
hub(q{SET ownership.system = 'pim'; INSERT INTO moved (id, title) VALUES (1036, 'waits')});
feed('UPDATE moved SET price = 2; INSERT INTO moved VALUES (1036, 0, 0); DELETE FROM moved WHERE id = 1035');
is(hub('SELECT title FROM moved WHERE id = 1036'), 'waits', 'a new row: what waits for it lands');
is(hub(q{SELECT row_key FROM ownership.conflict WHERE outcome = 'remembered'}), '{"id": 1035}', 'a deleted row is remembered');

# the last columns that a feed publishes are remembered
is(hub(q{SELECT columns FROM ownership.feed_column WHERE relid = 'moved'::regclass}), '{id,price,stock}', 'what the feed publishes is remembered');
uncounted();

# triggers of users: SQL that they run is judged, whatever the row change that fired them
hub(q{
	CREATE FUNCTION writes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF pg_trigger_depth() = 1 THEN
			EXECUTE format('UPDATE public.%I SET title = $1 WHERE id = $2', TG_ARGV[0]) USING 'theirs ' || NEW.id, NEW.id;
		END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER writes AFTER UPDATE ON land FOR EACH ROW EXECUTE FUNCTION writes('other'); ALTER TABLE land ENABLE REPLICA TRIGGER writes;
	CREATE TRIGGER writes AFTER UPDATE ON shared FOR EACH ROW WHEN (NEW.id > 25) EXECUTE FUNCTION writes('shared'); ALTER TABLE shared ENABLE ALWAYS TRIGGER writes;
	UPDATE ownership.field SET policy = 'observe' WHERE entity = 'shared' AND name = 'title';
	UPDATE ownership.field SET policy = 'keep' WHERE entity = 'other' AND name = 'title';
	TRUNCATE ownership.conflict});
feed('UPDATE land SET price = price + 1');
is(hub(q{SELECT table_name, outcome, count(*) FROM ownership.conflict GROUP BY 1, 2}), "other|kept|$n", 'SQL of a trigger on a landing table is judged');
is(hub(q{SELECT count(*) FROM other WHERE title LIKE 'theirs%'}), 0, 'and keeps out what it must');
counted('land', "price|$n", 'a landing table with a trigger');
hub('TRUNCATE ownership.conflict');
feed('UPDATE shared SET price = price + 1');
is(hub(q{SELECT table_name, outcome, count(*) FROM ownership.conflict GROUP BY 1, 2}), 'shared|observed|15', 'SQL of a trigger on the table itself is judged');
is(hub(q{SELECT count(*) FROM shared WHERE title LIKE 'theirs%'}), 15, 'and goes through');
counted('shared', "price|$n, title|15", 'a shared table with a trigger');
hub(q{DROP TRIGGER writes ON land; DROP TRIGGER writes ON shared;
	CREATE FUNCTION skips() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.id % 2 = 0 THEN NEW END; END $$;
	CREATE TRIGGER a_skips BEFORE UPDATE ON land FOR EACH ROW EXECUTE FUNCTION skips(); ALTER TABLE land ENABLE ALWAYS TRIGGER a_skips});
feed('UPDATE land SET price = -9');
is(hub('SELECT count(*) FROM land WHERE price = -9'), $n / 2, 'a trigger skips rows');
counted('land', 'price|' . $n / 2, 'a trigger that skips rows');
hub(q{DROP TRIGGER a_skips ON land;
	CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		BEGIN RAISE 'fails'; EXCEPTION WHEN raise_exception THEN NULL; END;
		RETURN NULL;
	END $$;
	CREATE TRIGGER fails AFTER UPDATE ON land FOR EACH ROW WHEN (NEW.id % 20 = 0) EXECUTE FUNCTION fails(); ALTER TABLE land ENABLE ALWAYS TRIGGER fails;
	CREATE TRIGGER fails AFTER UPDATE ON shared FOR EACH ROW WHEN (NEW.id % 20 = 0) EXECUTE FUNCTION fails(); ALTER TABLE shared ENABLE ALWAYS TRIGGER fails});
feed('UPDATE land SET price = price - 1; UPDATE shared SET price = price - 1');
counted('land', "price|$n", 'a trigger with a subtransaction that is rolled back');
counted('shared', "price|$n", 'a trigger with a subtransaction that is rolled back');
hub('DROP TRIGGER fails ON land; DROP TRIGGER fails ON shared');

# an error in the middle of a transaction: it starts again, and counts once
my $offset = -s $hub->logfile;
hub('INSERT INTO gate VALUES (1); ALTER TABLE gate ADD PRIMARY KEY (id)');
erp(qq{ALTER TABLE gate ADD PRIMARY KEY (id); BEGIN; UPDATE land SET price = 1000; UPDATE shared SET price = 1000; INSERT INTO gate VALUES (1); UPDATE land SET price = 1001; COMMIT});
foreach (1 .. 300)
{
	last if slurp_file($hub->logfile, $offset) =~ /ERROR: .*gate/;
	select undef, undef, undef, 0.1;
}
like(slurp_file($hub->logfile, $offset), qr/ERROR: .*gate/, 'an error in the middle of a transaction');
is(hub('SELECT count(*) FROM land WHERE price >= 1000'), 0, 'nothing of it is there');
hub('DELETE FROM gate');
caught_up();
is(hub('SELECT count(*) FROM land WHERE price = 1001'), $n, 'it starts again');
counted('land', 'price|' . 2 * $n, 'an error, and again');
counted('shared', "price|$n", 'an error, and again');

# column lists
erp(qq{CREATE PUBLICATION listed FOR TABLE land (id, price), shared (id, price)});
hub('ALTER SUBSCRIPTION feed SET PUBLICATION listed WITH (copy_data = false)');
feed('UPDATE land SET price = 5, stock = 77; UPDATE shared SET price = 5, stock = 77');
is(hub('SELECT (SELECT count(*) FROM land WHERE price = 5 AND stock <> 77), (SELECT count(*) FROM shared WHERE price = 5 AND stock <> 77)'), "$n|$n", 'column lists');
counted('land', "price|$n", 'column lists');
counted('shared', "price|$n", 'column lists');
hub('DROP SUBSCRIPTION feed');

# streamed, applied in parallel, prepared; with subtransactions of which one is rolled back
my %options = (streamed => 'streaming = on', prepared => 'two_phase = on');
$options{parallel} = 'streaming = parallel' if $hub->pg_version >= 16;
my $many = 1000;
foreach my $t (qw(land shared))
{
	erp("DELETE FROM $t; INSERT INTO $t SELECT i, i, 0 FROM generate_series(1, 3 * $many) i");
	hub("SET ownership.enforcement = off; DELETE FROM $t; INSERT INTO $t (id, price, stock) SELECT i, i, 0 FROM generate_series(1, 3 * $many) i");
}
foreach my $how (sort keys %options)
{
	hub(qq{SELECT ownership.flush(); TRUNCATE ownership.activity; CREATE SUBSCRIPTION feed CONNECTION '$conninfo' PUBLICATION p WITH (copy_data = false, $options{$how})});
	$hub->wait_for_subscription_sync($pub, 'feed', 'integration');
	wait_for($hub, 'integration', q{SELECT bool_and(subtwophasestate <> 'p') FROM pg_subscription});
	my $changes = join ';', map { my $t = $_; map { "UPDATE $t SET price = price + 1 WHERE id BETWEEN $_ * $many + 1 AND ($_ + 1) * $many" } 0 .. 2 } qw(land shared);
	my ($l0, $l1, $l2, $s0, $s1, $s2) = split /;/, $changes;
	erp("BEGIN; $l0; $s0; SAVEPOINT a; $l1; $s1; ROLLBACK TO a; SAVEPOINT b; $l2; RELEASE b; SAVEPOINT c; $s2; " . ($how eq 'prepared' ? "PREPARE TRANSACTION 'x'" : 'COMMIT'));
	erp("COMMIT PREPARED 'x'") if $how eq 'prepared';
	caught_up();
	is(hub('SELECT sum(price) FROM land') . '|' . hub('SELECT sum(price) FROM shared'), erp('SELECT sum(price) FROM land') . '|' . erp('SELECT sum(price) FROM shared'), "$how: as at the source");
	counted('land', 'price|' . 2 * $many, $how);
	counted('shared', 'price|' . 2 * $many, $how);
	hub('DROP SUBSCRIPTION feed');
}
done_testing();
