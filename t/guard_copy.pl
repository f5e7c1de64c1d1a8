# COPY without the guard's triggers: where nothing can be in conflict, it writes the
# WAL of an unguarded COPY, and nobody but that COPY misses the triggers.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('node', preload => 1, extra => "autovacuum = off\ncheckpoint_timeout = 1h\nmax_wal_size = 4GB\n");
my $dir = $node->data_dir . '/copied';
mkdir $dir or die $!;
sub run { return sql($node, 'postgres', $_[0]) }
sub fails { return error_as($node, 'postgres', scalar getpwuid($>), $_[0]) }

# a server that forgets its caches all the time finds no list that was changed
my $forgets = run("SELECT setting FROM pg_settings WHERE name = 'debug_discard_caches'") ne '0';
my $erp = "SET ownership.system = 'erp'";
my $columns = 'id int, price numeric, stock int, title text, note text, PRIMARY KEY (id)';
my $rows = $forgets ? 50 : 20_000;
run(qq{
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim');
	CREATE FUNCTION make(tab text, policy text DEFAULT NULL, rest text DEFAULT '') RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
		SET LOCAL client_min_messages = warning;
		EXECUTE format('DROP TABLE IF EXISTS %I', tab);
		DELETE FROM ownership.field WHERE entity = tab;
		EXECUTE format('CREATE TABLE %I ($columns) %s', tab, rest);
		PERFORM ownership.assign(tab::regclass, '{id,price,stock}', 'erp', policy => policy);
		PERFORM ownership.assign(tab::regclass, '{title,note}', 'pim', policy => policy);
		UPDATE ownership.field f SET key = (f.name = 'id') WHERE entity = tab;
	END \$\$;
	CREATE TABLE plain ($columns);
	COPY (SELECT i, i % 1000, i % 50 FROM generate_series(1, $rows) i) TO '$dir/own';
	COPY (SELECT i, NULL FROM generate_series(1, $rows) i) TO '$dir/null';
	COPY (SELECT i, i FROM generate_series(1, 3) i) TO '$dir/three';
	COPY (SELECT i, CASE WHEN i = 3 THEN 'x' ELSE '1' END FROM generate_series(1, 3) i) TO '$dir/bad';
	COPY (SELECT i, 'theirs' FROM generate_series(1, 3) i) TO '$dir/theirs';
	COPY (SELECT 1 WHERE false) TO '$dir/nothing'});

# The bytes of WAL of a statement; a checkpoint comes before it, so that full pages do not differ,
# and VACUUM, so that no page of a catalog is pruned.
sub wal
{
	my ($before, $statement) = @_;
	my $out = run("VACUUM;\n$before;\nCHECKPOINT;\nSELECT pg_current_wal_insert_lsn() AS lsn \\gset\n$statement;\nSELECT pg_current_wal_insert_lsn() - :'lsn'");
	return (split /\n/, $out)[-1];
}
my %base;
# ratio(NAME, BEFORE, COPY, MAKE): COPY into t against the same into an unguarded table like it
sub ratio
{
	my ($copy, $rest) = @_;
	$rest //= '';
	my $unguarded = $base{"$copy$rest"} //= wal("DROP TABLE IF EXISTS plain; CREATE TABLE plain ($columns) $rest; " . ($rest && parts('plain')), $copy =~ s/COPY t/COPY plain/r);
	return wal($erp, $copy) / $unguarded;
}
sub parts { return join ';', map { "CREATE TABLE $_[0]_$_ PARTITION OF $_[0] FOR VALUES FROM (" . ($_ * 7000) . ') TO (' . ($_ * 7000 + 7000) . ')' } 0 .. 2 }

sub same
{
	my ($ratio, $name) = @_;
	SKIP: {
		skip 'caches are discarded', 1 if $forgets;
		cmp_ok($ratio, '<=', 1.01, $name);
	}
	return;
}

my $own = "COPY t (id, price, stock) FROM '$dir/own'";
run("SELECT make('t')");
same(ratio($own), 'WAL: the first statement of a session');
foreach my $policy (qw(reject keep fill observe create_only))
{
	run("SELECT make('t', '$policy')");
	same(ratio($own), "WAL: $policy, own columns");
}
foreach my $policy (qw(reject observe))
{
	run("SELECT make('t', '$policy')");
	same(ratio("COPY t (id, title) FROM '$dir/null'"), "WAL: $policy, a foreign column: AFTER judges");
}
run("SELECT make('t', 'keep')");
cmp_ok(ratio("COPY t (id, title) FROM '$dir/null'"), '>', 1.2, 'WAL: keep, a foreign column: BEFORE amends');
run("SELECT make('t')");
cmp_ok(ratio("SET ownership.lift = off; $own"), '>', 1.2, 'WAL: without lifting');
run("SELECT make('t')");
same(ratio("$own WHERE price >= 0"), 'WAL: with WHERE');
run("SELECT make('t', NULL, 'PARTITION BY RANGE (id)');" . parts('t'));
same(ratio($own, 'PARTITION BY RANGE (id)'), 'WAL: partitions');
is(run('SELECT count(*) FROM t_0'), $forgets ? 50 : 6999, 'rows go where they belong');
run("SELECT make('t'); SET ownership.system = 'pim'; CREATE ROLE loader LOGIN; GRANT INSERT ON t TO loader");
my $foreign = "COPY t (id, title) FROM '$dir/theirs'";
like(fails("$erp; $foreign"), qr/42501.*title/s, 'a foreign column: refused');
like(fails("SET ownership.system = 'pim'; COPY t (id, title) FROM '$dir/theirs'"), qr/42501.*id/s, 'a foreign key: refused');
run("$erp; SET ownership.enforcement = off; $foreign; DELETE FROM t");
like(fails("SET ownership.system = 'pim'; $own"), qr/42501/, 'another writer: refused');

# Nobody else misses the guard.  try_() writes a foreign column, from wherever it is called.
run(q{
	CREATE TABLE tried (how text);
	CREATE SEQUENCE other START 100000;
	CREATE FUNCTION try_(how text, tab text DEFAULT 't') RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		BEGIN
			EXECUTE format('INSERT INTO %s (id, price, stock, title) VALUES ($1, 0, 0, ''stolen'')', tab) USING CASE tab WHEN 't' THEN nextval('other') ELSE 20001 END;
		EXCEPTION WHEN insufficient_privilege THEN
			INSERT INTO tried VALUES (how);
			RETURN true;
		END;
		RAISE 'not refused: %', how;
	END $$;
	CREATE FUNCTION try_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF pg_trigger_depth() = 1 THEN PERFORM try_(TG_ARGV[0], TG_ARGV[1]); END IF;
		RETURN NEW;
	END $$});
sub copies { return is(fails($_[0]), '', 'COPY goes through') }
sub tried { return run('WITH d AS (DELETE FROM tried RETURNING how) SELECT how, count(*) FROM d GROUP BY 1') }
my $three = "COPY t (id, price) FROM '$dir/three'";
foreach my $timing ('BEFORE INSERT ON t FOR EACH ROW', 'AFTER INSERT ON t FOR EACH ROW', 'BEFORE INSERT ON t', 'AFTER INSERT ON t')
{
	run("SELECT make('t'); CREATE TRIGGER tries $timing EXECUTE FUNCTION try_row('trigger', 't')");
	copies("$erp; $three");
	is(tried(), 'trigger|' . ($timing =~ /ROW/ ? 3 : 1), "a user's trigger, $timing");
	is(run('SELECT count(*) FROM t'), 3, 'and the rows are there');
}
sub tries
{
	my ($how, $n, $prepare, $copy) = @_;
	run("SELECT make('t'); $prepare");
	copies("$erp; $copy");
	is(tried(), "$how|$n", "$how: refused");
	is(run('SELECT count(*) FROM t'), 3, 'and the rows are there');
	return;
}
run(q{CREATE FUNCTION try_value(how text) RETURNS int LANGUAGE sql AS $$ SELECT CASE WHEN try_(how, 't') THEN 5 END $$;
	CREATE FUNCTION try_const() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
		-- the guard computes defaults, too
		IF coalesce(current_setting('my.folding', true), '') = '' THEN
			PERFORM set_config('my.folding', 'on', false);
			PERFORM try_value('folded');
			PERFORM set_config('my.folding', '', false);
		END IF;
		RETURN 5;
	END $$});
tries('default', 3, q{ALTER TABLE t ALTER stock SET DEFAULT try_value('default')}, $three);
tries('check', 3, q{ALTER TABLE t ADD CHECK (price = 0 OR try_('check', 't'))}, $three);
tries('where', 3, 'SELECT 1', "$three WHERE try_value('where') = 5");
foreach my $folded ('ALTER TABLE t ALTER stock SET DEFAULT try_const()', '')
{
	run("SELECT make('t'); $folded");
	# an IMMUTABLE function is called for the default's sake, when COPY has been lifted, or for WHERE, before
	copies("$erp; ALTER FUNCTION try_const() VOLATILE; ALTER FUNCTION try_const() IMMUTABLE; $three" . ($folded ? '' : ' WHERE try_const() = 5'));
	like(tried(), qr/^folded\|/, 'a function that is called before COPY begins: ' . ($folded || 'WHERE'));
	is(run('SELECT count(*) FROM t'), 3, 'and the rows are there');
}

# partitions that the COPY has not reached
run("SELECT make('t', NULL, 'PARTITION BY RANGE (id)');" . parts('t'));
run("ALTER TABLE t ADD CHECK (price = 0 OR try_('partition', 't_2'))");
copies("$erp; $three");
is(tried(), 'partition|3', 'a partition that COPY has not reached');

# what comes after a COPY, in the same session
my $after = q{INSERT INTO t (id, title) VALUES (50, 'stolen')};
run("SELECT make('t')");
sub refused_after
{
	my ($name, $script) = @_;
	my (undef, $out, $err) = $node->psql('postgres', "$erp;\n$script;\n$after;", on_error_stop => 0);
	like($err, qr/permission denied[^\n]*title|not the system of record[^\n]*|title[^\n]*/, "$name: the next statement is judged");
	is(run('SELECT count(*) FROM t WHERE title IS NOT NULL'), 0, 'and nothing of it is there');
	return;
}
refused_after('a COPY', $three);
refused_after('a COPY that failed', "DELETE FROM t;\nCOPY t (id, price) FROM '$dir/bad'");
refused_after('a COPY of no rows', "COPY t (id) FROM '$dir/nothing'");
refused_after('a COPY without file', "COPY t (id) FROM '$dir/none'");
refused_after('a rollback to a savepoint', "BEGIN; SAVEPOINT s;\nCOPY t (id, price) FROM '$dir/bad';\nROLLBACK TO s; $three");
refused_after('a prepared statement', "ROLLBACK; DELETE FROM t; PREPARE p AS $after; COPY t (id, price) FROM '$dir/bad';\nEXECUTE p");
refused_after('a table of the same transaction', "BEGIN; SELECT make('t'); COPY t (id, price) FROM '$dir/three' WITH (FREEZE)");
run("SELECT make('t')");

# AFTER fires whatever the COPY's own functions set
run(q{CREATE FUNCTION hide() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('session_replication_role', 'replica', true); RETURN 1; END $$;
	ALTER TABLE t ALTER stock SET DEFAULT hide()});
like(fails("$erp; $foreign"), qr/42501/, 'a function of the COPY sets session_replication_role');

# the map is edited while COPY runs: by its own function, and by another session
run(qq{SELECT make('t'); CREATE FUNCTION edit(owner text) RETURNS int LANGUAGE sql AS \$\$ SELECT count(*)::int FROM ownership.assign('public.t', '{price}', owner) \$\$;
	ALTER TABLE t ALTER stock SET DEFAULT edit('pim')});
like(fails("$erp; $three"), qr/40001: +could not judge the rows of COPY, because the ownership map changed/, 'COPY edits the map');
is(run('SELECT count(*) FROM t'), 0, 'and nothing of it is there');
run("ALTER TABLE t ALTER stock SET DEFAULT edit('erp')");
run("$erp; $three");
is(run('SELECT count(*) FROM t'), 3, 'an edit that changes nothing for it');
run("$erp; TRUNCATE t; ALTER TABLE t ALTER stock DROP DEFAULT");
my $slow = $node->background_psql('postgres', on_error_stop => 0);
$slow->query_safe($erp);
$slow->query_until(qr/begun/, "\\echo begun\nCOPY t (id, price) FROM PROGRAM 'while ! test -e $dir/go; do sleep 0.1; done; cat $dir/three';\n\\echo copied\n");
wait_for($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_progress_copy});
like(fails("$erp; $after"), qr/42501/, 'while COPY runs, another session is judged');
run(q{UPDATE ownership.field SET owner = 'pim' WHERE entity = 't' AND name = 'price'});
append_to_file("$dir/go", '1');
wait_for($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_progress_copy});
$slow->quit;
is(run('SELECT count(*) FROM t'), 3, 'an edit by another session does not apply to a COPY that runs');
like(fails("$erp; TRUNCATE t; $three"), qr/42501/, 'but to the next');

# a system that does not exist fails with the first row, not before
run("SELECT make('t'); ALTER ROLE loader SET ownership.system = 'gone'; GRANT INSERT ON t TO loader; GRANT pg_read_server_files TO loader");
is(error_as($node, 'postgres', 'loader', "COPY t (id) FROM '$dir/nothing'"), '', 'an unknown system, no row');
like(error_as($node, 'postgres', 'loader', "COPY t (id, price) FROM '$dir/three'"), qr/gone/, 'an unknown system, a row');

# what waits lands at the end of COPY
run(q{SELECT make('t', 'keep'); SET ownership.system = 'pim'; INSERT INTO t (id, title) VALUES (2, 'waits')});
is(run("$erp; $three; SELECT title FROM t WHERE id = 2"), 'waits', 'what waits lands');
run(q{SELECT make('t', 'keep')});
done_testing();
