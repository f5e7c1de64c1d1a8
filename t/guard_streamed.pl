# Rows that several systems make, in large transactions that are streamed, applied in
# parallel, or prepared.  The same facts go to hubs whose subscriptions differ in that
# alone.  After each fact, tables, evidence, history, pins and what is known of the feeds
# are those of the hub that gets each transaction when it is committed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my @feeds = qw(erp pim);
my $pub = new_node('sources', extra => "logical_decoding_work_mem = 64kB\nmax_wal_senders = 40\nmax_replication_slots = 40\n");
my $hub = new_node('hubs', preload => 1, extra =>
	"wal_retrieve_retry_interval = '50ms'\nmax_logical_replication_workers = 60\nmax_worker_processes = 80\nmax_replication_slots = 40\nmax_prepared_transactions = 30\n"
	  . ($pub->pg_version >= 18 ? "max_active_replication_origins = 40\n" : ''));

# the hubs, and the options of their subscriptions
my %options = (plain => 'streaming = off', streamed => 'streaming = on', prepared => 'streaming = off, two_phase = on', prepared_streamed => 'streaming = on, two_phase = on');
if ($hub->pg_version >= 16)
{
	$options{parallel} = 'streaming = parallel';
	$options{prepared_parallel} = 'streaming = parallel, two_phase = on';
}
my @hubs = sort grep { $_ ne 'plain' } keys %options;
my @streamed = grep { $options{$_} !~ /streaming = off/ } @hubs;
my @parallel = grep { $options{$_} =~ /parallel/ } @hubs;
my @two_phase = grep { $options{$_} =~ /two_phase/ } @hubs;

sub hubs { my ($sql) = @_; sql($hub, $_, $sql) foreach 'plain', @hubs; return }
sub plain { return sql($hub, 'plain', $_[0]) }

my %columns = (
	erp => { product => 'sku text PRIMARY KEY, price numeric, stock int', brief => 'sku text PRIMARY KEY, price numeric', late => 'sku text PRIMARY KEY, price numeric' },
	pim => {
		product => 'sku text PRIMARY KEY, title text, descr text, secret text, city text, zip text',
		brief => 'sku text PRIMARY KEY, title text',
		late => 'sku text PRIMARY KEY, title text, descr text' });
sql($pub, 'postgres', "CREATE DATABASE $_") foreach @feeds;
sql($hub, 'postgres', "CREATE DATABASE $_") foreach 'plain', @hubs;
foreach my $feed (@feeds)
{
	sql($pub, $feed, "CREATE TABLE $_ ($columns{$feed}{$_})") foreach sort keys %{ $columns{$feed} };
	sql($pub, $feed, 'CREATE TABLE pad (t text); CREATE TABLE nameless (t text); CREATE PUBLICATION p FOR TABLE product, brief, late, pad, nameless');
}
hubs(q{
	CREATE EXTENSION ownership;
	CREATE TABLE pad (t text);
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, stock int, title text CHECK (title <> 'bad'), descr text, secret text,
		city text, zip text, local text DEFAULT 'ours');
	CREATE TABLE brief (sku text PRIMARY KEY, price numeric, title text);
	CREATE TABLE late (sku text PRIMARY KEY, price numeric, title text, descr text);
	CREATE TABLE nameless (sku text UNIQUE, t text);
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim');
	SELECT ownership.assign('product', '{sku,price,stock}', 'erp');
	SELECT ownership.assign('product', '{title,descr,secret}', 'pim');
	SELECT ownership.assign('product', '{city,zip}', 'pim', column_group => 'address');
	SELECT ownership.assign(t, '{sku,price}', 'erp'), ownership.assign(t, '{title}', 'pim') FROM unnest('{brief,late}'::regclass[]) t;
	SELECT ownership.assign('late', '{descr}', 'pim');
	SELECT ownership.assign('nameless', '{sku}', 'erp', policy => 'keep'), ownership.assign('nameless', '{t}', 'pim');
	UPDATE ownership.field SET key = (name = 'sku') WHERE entity = 'nameless';
	UPDATE ownership.field SET history = true WHERE entity = 'product' AND name IN ('price', 'title');
	UPDATE ownership.field SET sensitive = true WHERE name = 'secret';
	UPDATE ownership.mirrored_table SET remember = '0' WHERE table_name = 'brief'});
foreach my $feed (@feeds)
{
	my $conninfo = connstr($pub, $feed);

	foreach my $db ('plain', @hubs)
	{
		sql($hub, $db, "SELECT ownership.identify('$feed', subscription => '$feed')");
		sql($hub, $db, "CREATE SUBSCRIPTION $feed CONNECTION '$conninfo' PUBLICATION p WITH (copy_data = false, slot_name = '${feed}_$db', $options{$db})");
	}
}
# PostgreSQL prepares nothing before that
wait_for($hub, $_, q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel}) foreach 'plain', @hubs;
wait_for($hub, $_, q{SELECT bool_and(subtwophasestate = 'e') FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())})
  foreach @two_phase;

sub caught_up
{
	foreach my $feed (@feeds)
	{
		my $lsn = sql($pub, $feed, 'SELECT pg_current_wal_lsn()');
		wait_for($pub, $feed, "SELECT bool_and(confirmed_flush_lsn >= '$lsn') FROM pg_replication_slots WHERE database = '$feed'");
	}
	return;
}

# all that the hub has
sub state
{
	my ($db) = @_;
	my $evidence = 'concat_ws(\'|\', outcome, operation, system, table_name, row_key, columns, stored, proposed, resolution)';

	return sql($hub, $db, qq{
		SELECT 'product', * FROM product ORDER BY sku;
		SELECT 'brief', * FROM brief ORDER BY sku;
		SELECT 'late', * FROM late ORDER BY sku;
		SELECT 'evidence', $evidence, problem FROM ownership.conflict ORDER BY 2, 3;
		SELECT 'history', $evidence FROM ownership.history ORDER BY 2;
		SELECT 'pin', row_key, column_name, value, replaced, ended_at IS NOT NULL, ended_by, gone_at IS NOT NULL FROM ownership.pin ORDER BY 2, 3, 4;
		SELECT 'feed', subname, relid::regclass, array_agg(DISTINCT c ORDER BY c)
		FROM ownership.feed_column f JOIN pg_subscription s ON s.oid = f.subscription, unnest(columns) c GROUP BY 2, 3 ORDER BY 2, 3::text});
}

# what differs between the hub that gets whole transactions and another one
sub difference
{
	my ($expected, $got) = @_;
	my %n;

	$n{$_}++ foreach split(/\n/, $expected);
	$n{$_}-- foreach split(/\n/, $got);
	return join("\n", map { ($n{$_} > 0 ? 'missing: ' : 'extra: ') . $_ } grep { $n{$_} } sort keys %n);
}

sub same
{
	my ($name) = @_;
	my $expected;

	caught_up();
	$expected = state('plain');
	is(difference($expected, state($_)), '', "$name: $_") foreach @hubs;
	return;
}

sub streams
{
	my ($feed) = @_;
	return sql($pub, $feed, join(' UNION ALL ', map { "SELECT stream_count FROM pg_stat_replication_slots WHERE slot_name = '${feed}_$_'" } @streamed));
}

# open_transaction(FEED, SQL): a session in whose transaction that ran, which is streamed
sub open_transaction
{
	my ($feed, $sql) = @_;
	my @before = split(/\n/, streams($feed));
	my $pad = q{INSERT INTO pad SELECT repeat('x', 1900) FROM generate_series(1, 60)};
	my $session = $pub->background_psql($feed);

	$session->query_safe("BEGIN; $pad; $sql; $pad");
	foreach my $i (0 .. $#streamed)
	{
		my $least = $before[$i] + 2;

		wait_for($pub, $feed, "SELECT stream_count >= $least FROM pg_stat_replication_slots WHERE slot_name = '${feed}_$streamed[$i]'");
	}
	foreach my $db (@parallel)
	{
		wait_for($hub, $db, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'logical replication parallel worker' AND backend_xid IS NOT NULL AND datname = current_database()});
	}
	return $session;
}

# fact(NAME, FEED, END, SQL[, CODE]): a transaction that commits, aborts, or is prepared,
# whereupon CODE runs, and then commits or aborts
sub fact
{
	my ($name, $feed, $end, $sql, $code) = @_;
	my $session = open_transaction($feed, $sql);

	if ($end =~ /^prepare (commit|rollback)$/)
	{
		my $second = uc $1;

		$session->query_safe("PREPARE TRANSACTION 'prepared'");
		wait_for($hub, $_, q{SELECT count(*) = 1 FROM pg_prepared_xacts WHERE database = current_database()}) foreach @two_phase;
		$code->() if $code;
		$session->query_safe("$second PREPARED 'prepared'");
	}
	else
	{
		$session->query_safe(uc $end);
	}
	$session->quit;
	return same("$name ($end)");
}

# values(FIRST, LAST, EXPRESSIONS)
sub rows { my ($table, $first, $last, $values) = @_; return "INSERT INTO $table SELECT 'P' || i, $values FROM generate_series($first, $last) i"; }

#
# Parked
#
my $texts = q{'t' || i, 'd' || i, 's' || i, 'c' || i, 'z' || i};
fact('values that wait', 'pim', 'commit', rows('product', 1, 40, $texts) . '; SAVEPOINT s; ' . rows('product', 41, 50, $texts)
	. '; ROLLBACK TO s; SAVEPOINT r; ' . rows('product', 51, 60, $texts) . '; RELEASE r; ' . rows('brief', 1, 20, q{'b' || i}));
is(plain(q{SELECT count(*) FROM ownership.waiting}), 50 * 5 + 20, 'all wait');
fact('values that wait', 'pim', 'rollback', rows('product', 61, 70, $texts));
fact('values that wait', 'pim', 'prepare rollback', rows('product', 61, 70, $texts));
fact('values that wait', 'pim', 'prepare commit', rows('product', 71, 80, $texts), sub { is(sql($hub, 'prepared_streamed', q{SELECT count(*) FROM ownership.waiting WHERE row_key->>'sku' = 'P71'}), '0', 'what is prepared is not there yet') });
fact('one value of a group, and one that does not fit', 'pim', 'prepare commit', q{INSERT INTO product VALUES ('P81', 'bad', 'd81', NULL, 'c81')});

#
# Rows that are created: what waits comes into them
#
fact('rows', 'erp', 'commit', rows('product', 1, 20, 'i, 1') . '; SAVEPOINT s; ' . rows('product', 21, 30, 'i, 1') . '; ROLLBACK TO s; SAVEPOINT r; '
	. rows('product', 51, 55, 'i, 1') . '; RELEASE r; ' . rows('brief', 1, 10, 'i'));
is(plain(q{SELECT count(*), count(*) FILTER (WHERE title = 't' || price AND zip = 'z' || price AND secret = 's' || price) FROM product}), '25|25', 'with all values');
fact('rows', 'erp', 'rollback', rows('product', 21, 30, 'i, 1'));
fact('rows', 'erp', 'prepare rollback', rows('product', 21, 30, 'i, 1') . '; ' . rows('product', 71, 72, 'i, 1'));
is(plain(q{SELECT count(DISTINCT row_key) FROM ownership.waiting WHERE relation::text = 'product'}), 36, 'what was rolled back took nothing');
fact('rows', 'erp', 'prepare commit', rows('product', 21, 25, 'i, 1') . '; SAVEPOINT s; ' . rows('product', 26, 27, 'i, 1') . '; ROLLBACK TO s; ' . rows('product', 71, 74, 'i, 1'));
fact('a value that does not fit', 'erp', 'commit', rows('product', 81, 81, 'i, 1'));
is(plain(q{SELECT title, descr, city FROM product WHERE sku = 'P81'}), '|d81|c81', 'the others landed');
like(plain(q{SELECT why FROM ownership.waiting WHERE row_key->>'sku' = 'P81'}), qr/violates check constraint/, 'and it goes on waiting');

#
# Rows that are removed
#
fact('rows that go', 'erp', 'commit', q{DELETE FROM product WHERE sku IN ('P1', 'P2', 'P3'); SAVEPOINT s; DELETE FROM product WHERE sku IN ('P4', 'P5'); ROLLBACK TO s});
is(plain(q{SELECT count(*), count(*) FILTER (WHERE column_name = 'secret') FROM ownership.waiting WHERE outcome = 'remembered'}), '12|0', 'what others own is remembered, but nothing sensitive');
fact('rows that go', 'erp', 'rollback', 'DELETE FROM product');
fact('rows that go', 'erp', 'prepare rollback', 'DELETE FROM product; DELETE FROM brief');
fact('rows that go', 'erp', 'prepare commit', q{DELETE FROM product WHERE sku IN ('P4', 'P5'); DELETE FROM brief WHERE sku = 'P1'});
is(plain(q{SELECT count(*) FROM ownership.conflict WHERE recorded_at = '-infinity'}), '0', 'what is remembered until the end of the transaction is forgotten');
fact('rows that come back', 'erp', 'commit', rows('product', 1, 2, '100 + i, 2') . '; ' . rows('brief', 1, 1, '100'));
is(plain(q{SELECT sku, title, secret, city, local FROM product WHERE sku IN ('P1', 'P2') ORDER BY 1}), "P1|t1||c1|ours\nP2|t2||c2|ours", 'they have what was remembered');
fact('a reload', 'erp', 'commit', 'DELETE FROM product; DELETE FROM brief; ' . rows('product', 6, 25, '200 + i, 3') . '; ' . rows('brief', 1, 12, '200 + i'));
is(plain(q{SELECT count(*), count(title), count(secret), count(zip) FROM product}), '20|20|20|20', 'nothing is lost in it');
is(plain(q{SELECT count(*), count(title) FROM brief}), '12|11', 'nor where nothing is remembered longer');
fact('a reload', 'erp', 'prepare commit', 'DELETE FROM product; DELETE FROM brief; ' . rows('product', 6, 25, '300 + i, 3') . '; ' . rows('brief', 1, 12, '300 + i'));
fact('a reload by TRUNCATE', 'erp', 'prepare commit', 'TRUNCATE product, brief; SAVEPOINT s; ' . rows('product', 6, 10, '1, 3') . '; ROLLBACK TO s; '
	. rows('product', 6, 25, '400 + i, 3') . '; ' . rows('brief', 1, 12, '400 + i'));
is(plain(q{SELECT count(*), count(title), count(secret), count(zip), min(price) FROM product}), '20|20|20|20|406', 'nothing is lost');
is(plain(q{SELECT count(*), count(title) FROM brief}), '12|11', 'nor there');

#
# INSERTs that meet their rows, and what the feed is known to publish
#
sub resend { my ($i, $values) = @_; return "DELETE FROM product WHERE sku = 'P$i'; INSERT INTO product VALUES ('P$i', $values)"; }
fact('INSERTs that meet', 'pim', 'commit', resend(6, q{'new', NULL, 'new', 'new', NULL}) . '; SAVEPOINT s; ' . resend(7, q{'never'}) . '; ROLLBACK TO s; ' . resend(8, q{'new'}));
is(plain(q{SELECT title, descr, city, zip FROM product WHERE sku = 'P6'}), 'new|d6|new|z6', 'NULL does not count in a column that may not be published');
# known by a transaction that is rolled back: not known
fact('an UPDATE', 'pim', 'commit', q{SAVEPOINT s; UPDATE product SET title = 'never' WHERE sku = 'P9'; ROLLBACK TO s});
fact('an UPDATE', 'pim', 'rollback', q{UPDATE product SET title = 'never' WHERE sku = 'P9'});
fact('an UPDATE', 'pim', 'prepare rollback', q{UPDATE product SET title = 'never' WHERE sku = 'P9'});
sql($pub, 'pim', resend(9, q{'small', NULL}));
same('an INSERT that meets, not streamed');
is(plain(q{SELECT title, descr FROM product WHERE sku = 'P9'}), 'small|d9', 'what was rolled back told nothing');
# while one transaction is prepared that tells it, another one does
fact('an UPDATE', 'pim', 'prepare commit', q{UPDATE product SET title = 'told' WHERE sku = 'P10'},
	sub { sql($pub, 'pim', q{UPDATE product SET title = 'told, too' WHERE sku = 'P11'; UPDATE product SET title = 'again' WHERE sku = 'P11'}); wait_for($hub, $_, q{SELECT title = 'again' FROM product WHERE sku = 'P11'}) foreach @hubs; });
sql($pub, 'pim', resend(9, q{'smaller', NULL}));
same('an INSERT that meets, not streamed');
is(plain(q{SELECT title, descr FROM product WHERE sku = 'P9'}), 'smaller|', 'an UPDATE tells what is published');
fact('INSERTs that meet', 'pim', 'prepare commit', resend(12, q{'third', NULL, 's', 'c', NULL}) . '; SAVEPOINT s; ' . resend(13, q{'never'}) . '; ROLLBACK TO s');
fact('INSERTs that meet', 'pim', 'prepare rollback', resend(14, q{'never', NULL, 's', 'c', NULL}));

#
# A key that an UPDATE gives
#
fact('another key', 'erp', 'commit', q{UPDATE product SET sku = 'P26' WHERE sku = 'P20'; SAVEPOINT s; UPDATE product SET sku = 'P27' WHERE sku = 'P21'; ROLLBACK TO s});
is(plain(q{SELECT sku, title, descr, price FROM product WHERE sku IN ('P26', 'P21') ORDER BY 1}), "P21|t21|d21|421\nP26|t26|d26|420", 'takes what waits');
fact('another key', 'erp', 'rollback', q{UPDATE product SET sku = 'P27' WHERE sku = 'P21'});
fact('another key', 'erp', 'prepare rollback', q{UPDATE product SET sku = 'P27' WHERE sku = 'P21'});
fact('another key', 'erp', 'prepare commit', q{UPDATE product SET sku = 'P28', price = -1 WHERE sku = 'P22'; UPDATE product SET price = -2 WHERE sku = 'P28'});

#
# Pins, and history
#
hubs(q{
	SELECT ownership.pin_value('product', '{"sku": "P16"}', 'price', '1.5');
	SELECT ownership.pin_value('product', '{"sku": "P17"}', 'price', '1.5');
	SELECT ownership.pin_value('product', '{"sku": "P18"}', 'title', 'pinned')});
fact('pins', 'erp', 'rollback', q{UPDATE product SET price = 500 WHERE sku IN ('P16', 'P17')});
fact('pins', 'erp', 'prepare rollback', q{UPDATE product SET price = 500 WHERE sku IN ('P16', 'P17')});
fact('pins', 'erp', 'commit', q{SAVEPOINT s; UPDATE product SET price = 500 WHERE sku = 'P16'; ROLLBACK TO s; UPDATE product SET price = 501 WHERE sku = 'P17'});
is(plain(q{SELECT sku, price FROM product WHERE sku IN ('P16', 'P17') ORDER BY 1}), "P16|1.5\nP17|501", 'a new value ends a pin');
fact('pins', 'pim', 'prepare commit', resend(18, q{'t18', 'd18'}) . q{; UPDATE product SET title = 'new' WHERE sku = 'P18'});
fact('pins', 'erp', 'prepare commit', q{DELETE FROM product WHERE sku = 'P16'; UPDATE product SET price = 502 WHERE sku = 'P17'; UPDATE product SET price = price + 1});

#
# Two feeds at once: one parks in a transaction that is not over, the other creates the rows
#
foreach my $end ('COMMIT', 'ROLLBACK')
{
	my $first = $end eq 'COMMIT' ? 101 : 201;
	my $last = $first + 9;
	my $session = open_transaction('pim', rows('product', $first, $last, $texts));
	my $found = $end eq 'COMMIT' ? 10 : 0;

	sql($pub, 'erp', rows('product', $first, $last, 'i, 1'));
	$session->query_safe($end);
	caught_up();
	is(sql($hub, $_, "SELECT count(*), count(title) FROM product WHERE price BETWEEN $first AND $last"), "10|$found", "two feeds ($end): $_") foreach 'plain', @hubs;

	$first += 20;
	$last += 20;
	$session->query_safe('BEGIN; ' . rows('product', $first, $last, $texts) . q{; PREPARE TRANSACTION 'prepared'});
	wait_for($hub, $_, q{SELECT count(*) = 1 FROM pg_prepared_xacts WHERE database = current_database()}) foreach @two_phase;
	sql($pub, 'erp', rows('product', $first, $last, 'i, 1'));
	$session->query_safe("$end PREPARED 'prepared'");
	$session->quit;
	caught_up();
	is(sql($hub, $_, "SELECT count(*), count(title) FROM product WHERE price BETWEEN $first AND $last"), "10|$found", "two feeds ($end PREPARED): $_") foreach 'plain', @hubs;
}
is(sql($hub, $_, q{SELECT count(*) FROM ownership.waiting WHERE (right(row_key->>'sku', -1))::int > 100}), '0', "nothing waits: $_") foreach 'plain', @hubs;

#
# Two transactions of one feed at once, which both tell what the feed publishes
#
sql($pub, $_, rows('late', 1, 20, $_ eq 'erp' ? 'i' : q{'t' || i, 'd' || i})) foreach @feeds;
caught_up();
{
	my $first = open_transaction('pim', q{SELECT 1});
	my $second = open_transaction('pim', q{UPDATE late SET title = 'second' WHERE sku = 'P2'});

	$first->query_safe(q{UPDATE late SET title = 'first' WHERE sku = 'P1'; INSERT INTO pad SELECT repeat('x', 1900) FROM generate_series(1, 60)});
	$first->query_safe('COMMIT');
	$second->query_safe('COMMIT');
	$_->quit foreach $first, $second;
	caught_up();
	is(sql($hub, $_, q{SELECT title FROM late WHERE sku IN ('P1', 'P2') ORDER BY sku}), "first\nsecond", "two transactions of a feed: $_") foreach 'plain', @hubs;
	sql($pub, 'pim', q{DELETE FROM late WHERE sku = 'P1'; INSERT INTO late VALUES ('P1', NULL, NULL)});
	caught_up();
	is(sql($hub, $_, q{SELECT title IS NULL, descr FROM late WHERE sku = 'P1'}), 't|', "what they told is known: $_") foreach 'plain', @hubs;
}

# two transactions with the same proposal for rows without a key
foreach my $end ('COMMIT', 'PREPARE')
{
	my $first = open_transaction('pim', "INSERT INTO nameless VALUES ('$end')");

	if ($end eq 'PREPARE')
	{
		$first->query_safe(q{PREPARE TRANSACTION 'prepared'});
		wait_for($hub, $_, q{SELECT count(*) = 1 FROM pg_prepared_xacts WHERE database = current_database()}) foreach @two_phase;
		sql($pub, 'pim', "INSERT INTO nameless VALUES ('$end')");
		wait_for($hub, $_, "SELECT count(*) = 1 FROM ownership.conflict WHERE proposed->>'t' = '$end'") foreach @two_phase;
		$first->query_safe(q{COMMIT PREPARED 'prepared'});
	}
	else
	{
		my $second = open_transaction('pim', "INSERT INTO nameless VALUES ('$end')");

		$second->query_safe('COMMIT');
		$first->query_safe('COMMIT');
		$second->quit;
	}
	$first->quit;
	caught_up();
	is(sql($hub, $_, "SELECT DISTINCT outcome, row_key, proposed FROM ownership.conflict WHERE proposed->>'t' = '$end'"), qq(discarded|{"sku": null}|{"t": "$end", "sku": null}), "what no key tells is refused ($end): $_")
	  foreach 'plain', @hubs;
}

foreach my $db (@streamed)
{
	cmp_ok(sql($pub, $_, "SELECT stream_txns FROM pg_stat_replication_slots WHERE slot_name = '${_}_$db'"), '>', 5, "$_ was streamed to $db") foreach @feeds;
}
is(join("\n", slurp_file($hub->logfile) =~ /^.*(?:ERROR|FATAL|PANIC):.*$/mg), '', 'no worker stopped');
$hub->stop;
$pub->stop;
done_testing();
