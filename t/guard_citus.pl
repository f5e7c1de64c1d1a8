# Citus: a coordinator and two workers.  See doc/how-to/citus.md.
#
# It runs where the server has the extension Citus: `pg_config --sharedir` finds its control file.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $config = $ENV{PG_CONFIG} // 'pg_config';
my $share = `$config --sharedir`;
chomp $share;
plan skip_all => 'no citus' if !-e "$share/extension/citus.control";

my $conf = <<'END';
shared_preload_libraries = 'citus,ownership'
listen_addresses = '127.0.0.1'
citus.node_conninfo = 'sslmode=prefer'
citus.shard_count = 4
citus.enable_unsafe_triggers = on
citus.enable_statistics_collection = off
ownership.guard_arriving = on
wal_retrieve_retry_interval = '100ms'
END
my ($coordinator, $first, $second) = map { new_node($_, activity => 1, extra => $conf) } qw(coordinator first second);
my @workers = ($first, $second);
sub run { return sql($coordinator, 'postgres', $_[0]) }
sub as { return psql_as($coordinator, 'postgres', @_) }
sub refused { return error_as($coordinator, 'postgres', @_) }

# on_nodes(SQL): its lines on all nodes, in order
sub on_nodes
{
	my ($sql) = @_;
	return join("\n", sort grep { $_ ne '' } map { split /\n/, sql($_, 'postgres', $sql) } $coordinator, @workers);
}

# evidence(TABLE): of all nodes
sub evidence
{
	my ($table) = @_;
	return on_nodes("SELECT row_key, operation, system, outcome, columns, proposed FROM ownership.conflict WHERE table_name = '$table' AND outcome <> 'rejected' ORDER BY 1, 2, 3");
}

sub forget { sql($_, 'postgres', 'DELETE FROM ownership.conflict') for $coordinator, @workers; return }

# newer minor versions ask which libraries may be output plugins; Citus splits shards by one
for my $node ($coordinator, @workers)
{
	my $plugins = sql($node, 'postgres', q{SELECT setting FROM pg_settings WHERE name = 'output_plugin_libraries'});
	sql($node, 'postgres', "ALTER SYSTEM SET output_plugin_libraries = '" . join("', '", grep { $_ } split(/, */, $plugins), 'citus') . "'") if sql($node, 'postgres', q{SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'});
	$node->reload;
}
sql($_, 'postgres', 'CREATE EXTENSION citus') for $coordinator, @workers;
run("SELECT citus_set_coordinator_host('127.0.0.1', " . $coordinator->port . ')');
run("SELECT citus_add_node('127.0.0.1', " . $_->port . ')') for @workers;
run('CREATE EXTENSION ownership; CREATE ROLE erp_role LOGIN; CREATE ROLE pim_role LOGIN; CREATE ROLE mw_role LOGIN; CREATE ROLE owner_role LOGIN;
	GRANT CREATE ON SCHEMA public TO owner_role');
is(on_nodes(q{SELECT extname FROM pg_extension WHERE extname = 'ownership'}), "ownership\nownership\nownership", 'Citus creates the extension on its nodes');

# GRANT ... ON PARAMETER does not travel
sql($_, 'postgres', 'GRANT SET ON PARAMETER ownership.system TO mw_role, owner_role') for $coordinator, @workers;
run(q{SELECT ownership.add_system('erp', 'erp', role => 'erp_role'), ownership.add_system('pim', 'pim', role => 'pim_role')});
run('CREATE PUBLICATION ownership_map FOR TABLE ownership.system, ownership.identity, ownership.domain, ownership.deleted_domain,
	ownership.field, ownership.declared_access, ownership.mirrored_pattern, ownership.mirrored_table, ownership.mirrored_column,
	ownership.row_owner, ownership.pin, ownership.handover');
my $conninfo = connstr($coordinator, 'postgres');
for my $n (0, 1)
{
	sql($workers[$n], 'postgres', "CREATE SUBSCRIPTION ownership_map_$n CONNECTION '$conninfo' PUBLICATION ownership_map");
	wait_for($workers[$n], 'postgres', "SELECT bool_and(srsubstate IN ('s', 'r')) FROM pg_subscription_rel");
}
sub there { $coordinator->wait_for_catchup("ownership_map_$_") for 0, 1; return }

# a guarded table with rows is distributed
my $privileges = 'GRANT ALL ON %s TO erp_role, pim_role, mw_role';
run('CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, brand int); ' . sprintf($privileges, 'product') .
	  q{; INSERT INTO product VALUES ('a', 1, 'A', 1), ('b', 2, 'B', 1), ('c', 3, 'C', 2), ('d', 4, 'D', 2)});
run(q{SELECT ownership.assign('product', '{sku,price,brand}', 'erp'), ownership.assign('product', '{title}', 'pim', policy => 'keep')});
there();
run(q{BEGIN; SET LOCAL citus.propagate_set_commands = 'local'; SET LOCAL ownership.enforcement = off;
	SELECT create_distributed_table('product', 'sku'); COMMIT});
run(q{SELECT truncate_local_data_after_distributing_table('product')});
my $guards = q{SELECT replace(tgname, 'zzzz_ownership_', '') || ' ' || tgenabled::text FROM pg_trigger WHERE tgname ~ '^zzzz' AND tgrelid::regclass::text = '%s'};
my $tables = join("\n", sort(('amend A', 'judge O', 'truncate A') x 3));
is(on_nodes(sprintf($guards, 'product')), $tables, 'the guard is on the table of all nodes');
my $shards = q{SET citus.override_table_visibility = off; SELECT regexp_replace(replace(tgname, 'zzzz_ownership_', ''), '_\d+', '') || ' ' || tgenabled::text FROM pg_trigger
	WHERE tgname ~ '^zzzz' AND tgrelid::regclass::text ~ '^%s_\d+$' AND tgname !~ 'truncate'};
is(on_nodes(sprintf($shards, 'product')), join("\n", sort(('amend A', 'judge O') x 4)), 'and on the shards');
is(run('SELECT count(*) FROM product'), 4, 'the rows are there');
is(evidence('product'), '', 'to distribute them is no conflict');

# guard() on tables that are distributed already
run('CREATE TABLE stock (sku text, place int, amount int, note text, PRIMARY KEY (sku, place)); CREATE TABLE brand (id int PRIMARY KEY, name text, note text); ' .
	  join('; ', map { sprintf($privileges, $_) } 'stock', 'brand'));
run(q{SELECT create_distributed_table('stock', 'sku', colocate_with => 'product'), create_reference_table('brand')});
run(q{SET citus.enable_unsafe_triggers = off; SELECT ownership.assign('stock', '{sku,place,amount}', 'erp'), ownership.assign('stock', '{note}', 'pim', policy => 'keep'),
	ownership.assign('brand', '{id,note}', 'erp'), ownership.assign('brand', '{name}', 'pim', policy => 'keep')});
there();
is(on_nodes(sprintf($guards, $_)), $tables, "guard() of $_, on all nodes") for qw(stock brand);
is(on_nodes(sprintf($shards, 'stock')), join("\n", sort(('amend A', 'judge O') x 4)), 'and on the shards of a distributed table');
is(on_nodes(sprintf($shards, 'brand')), join("\n", sort(('amend A', 'judge O') x 3)), 'and of a reference table');
is(on_nodes('SELECT relation FROM ownership.guards WHERE NOT guarded OR problems <> ARRAY[]::text[]'), '', 'guards says so on each node');
is(on_nodes(q{SELECT risk, relation FROM ownership.risks WHERE risk IN ('unguarded', 'foreign_loader', 'broken_mirror', 'map_behind')}), '', 'there is no risk');
is(on_nodes(q{SELECT table_name FROM ownership.mirrored_table WHERE table_name ~ '_\d+$'}), '', 'no shard is on the map');

# statements: refused
my $may_not = qr/42501: system "pim" may not write column "price" of table "product"/;
like(refused('pim_role', q{UPDATE product SET price = 9 WHERE sku = 'a'}), $may_not, 'a router statement');
like(refused('pim_role', 'UPDATE product SET price = 9'), $may_not, 'a statement of many shards');
like(refused('pim_role', q{INSERT INTO product (sku, price) VALUES ('a', 9) ON CONFLICT (sku) DO UPDATE SET price = excluded.price}), $may_not, 'an upsert that updates');
like(refused('pim_role', q{INSERT INTO product (sku) VALUES ('z')}), qr/system "pim" may not write column "sku"/, 'an INSERT');
like(refused('pim_role', q{DELETE FROM product WHERE sku = 'a'}), qr/system "pim" may not delete rows/, 'a DELETE');
like(refused('pim_role', q{INSERT INTO stock SELECT sku, 1, 1 FROM product}), qr/system "pim" may not write columns "sku", "place", "amount"/, 'INSERT ... SELECT on the shards');
like(refused('pim_role', q{INSERT INTO stock SELECT title, brand, 1 FROM product}), qr/system "pim" may not write columns "sku", "place", "amount"/, 'INSERT ... SELECT through other nodes');
like(refused('pim_role', q{INSERT INTO stock SELECT sku, 1, 1 FROM product LIMIT 1}), qr/system "pim" may not write columns "sku", "place", "amount"/, 'INSERT ... SELECT through the coordinator');
like(refused('pim_role', "COPY stock (sku, place) FROM stdin;\nq\t1\n\\.\n"), qr/system "pim" may not write columns "sku", "place"/, 'COPY');
like(refused('pim_role', q{UPDATE brand SET note = 'x'}), qr/system "pim" may not write|^$/, 'a reference table without rows');
like(refused('pim_role', 'TRUNCATE product'), qr/system "pim" may not truncate table "product"/, 'TRUNCATE');
like(refused('pim_role', 'TRUNCATE brand'), qr/system "pim" may not truncate table "brand"/, 'TRUNCATE of a reference table');
like(error_as($first, 'postgres', 'pim_role', 'UPDATE product SET price = 9'), $may_not, 'a statement that a worker got');
like(error_as($second, 'postgres', 'pim_role', 'TRUNCATE product'), qr/system "pim" may not truncate/, 'TRUNCATE there');
is(run('SELECT string_agg(sku || price, $$,$$ ORDER BY sku) FROM product'), 'a1,b2,c3,d4', 'nothing was written');
wait_for($_, 'postgres', q{SELECT count(*) > 0 FROM ownership.conflict WHERE outcome = 'rejected' AND table_name = 'product' AND system = 'pim' AND role = 'pim_role'}) for @workers;
ok(1, 'rejected attempts are remembered on the workers');

# statements: kept
forget();
as('erp_role', q{UPDATE product SET title = 'erp', price = price + 10});
is(evidence('product'), join("\n", map { qq({"sku": "$_"}|UPDATE|erp|kept|{title}|{"title": "erp"}) } 'a' .. 'd'), 'a statement of many shards: values are kept');
is(run('SELECT string_agg(sku || price || title, $$,$$ ORDER BY sku) FROM product'), 'a11A,b12B,c13C,d14D', 'the rest is written');
forget();
as('erp_role', q{INSERT INTO stock SELECT sku, 1, 5, 'n' FROM product});
as('erp_role', "COPY stock FROM stdin;\na\t2\t7\tn\n\\.\n");
as('erp_role', q{INSERT INTO stock VALUES ('a', 1, 6, 'm') ON CONFLICT (sku, place) DO UPDATE SET amount = excluded.amount, note = excluded.note});
is(evidence('stock'), join("\n", sort((map { qq({"sku": "$_", "place": 1}|INSERT|erp|kept|{note}|{"note": "n"}) } 'a' .. 'd'),
			'{"sku": "a", "place": 2}|INSERT|erp|kept|{note}|{"note": "n"}', '{"sku": "a", "place": 1}|UPDATE|erp|kept|{note}|{"note": "m"}')),
	'INSERT ... SELECT, COPY and an upsert');
is(run('SELECT string_agg(concat_ws($$,$$, sku, place, amount, note), $$ $$ ORDER BY sku, place) FROM stock'), 'a,1,6 a,2,7 b,1,5 c,1,5 d,1,5', 'the rest is written');
as('erp_role', q{INSERT INTO brand VALUES (1, 'erp', 'x')});
is(evidence('brand'), join("\n", ('{"id": 1}|INSERT|erp|kept|{name}|{"name": "erp"}') x 3), 'a reference table: each node has the evidence of its copy');
is(on_nodes('SELECT count(DISTINCT b) FROM brand b'), "1\n1\n1", 'and the same row');
is(as('pim_role', q{UPDATE product SET title = 'P' RETURNING title; UPDATE brand SET name = 'B'; SELECT name FROM brand}), "P\nP\nP\nP\nB", 'the owner writes');

# a default that is no constant is named on the shard, whatever the client named
run('CREATE TABLE made (id int PRIMARY KEY, at timestamptz DEFAULT now(), n int DEFAULT 7); ' . sprintf($privileges, 'made'));
run(q{SELECT create_distributed_table('made', 'id'), ownership.assign('made', '{id}', 'erp'), ownership.assign('made', '{at,n}', 'pim')});
there();
like(refused('erp_role', 'INSERT INTO made (id) VALUES (1)'), qr/system "erp" may not write column "at" of table "made"/, 'such a default counts as written');
run(q{UPDATE ownership.field SET policy = 'create_only' WHERE entity = 'made' AND name = 'at'});
there();
is(as('erp_role', 'INSERT INTO made (id) VALUES (1) RETURNING n'), 7, 'create_only lets it in');

# who writes
like(refused('pim_role', 'SET ROLE erp_role'), qr/permission denied/, 'pim_role is not erp_role');
is(run(q{SET ROLE erp_role; UPDATE product SET price = 20 WHERE sku = 'a' RETURNING price}), 20, 'the role of SET ROLE writes');
like(refused('mw_role', q{SET ownership.system = 'erp'; UPDATE product SET price = 21 WHERE sku = 'a'}), qr/the setting "ownership.system" does not reach the shards of table "product"/,
	'ownership.system outside of a transaction block');
like(refused('mw_role', "SET ownership.system = 'erp';\nCOPY product (sku) FROM stdin;\nz\n\\.\n"), qr/does not reach the shards/, 'COPY likewise');
like(refused('mw_role', q{SET ownership.system = 'erp'; TRUNCATE product}), qr/does not reach the shards/, 'TRUNCATE likewise');
is(as('mw_role', q{SET ownership.system = 'erp'; BEGIN; UPDATE product SET price = 21 WHERE sku = 'a' RETURNING price; COMMIT}), 21, 'in a transaction block it is told to the shards');
like(refused('mw_role', q{UPDATE product SET price = 22 WHERE sku = 'a'}), qr/unidentified role "mw_role" may not write/, 'and is gone with the transaction');
like(refused('mw_role', q{BEGIN; SET LOCAL ownership.system = 'erp'; UPDATE product SET price = 22; RESET ownership.system; UPDATE product SET price = 23; COMMIT}),
	qr/unidentified role "mw_role" may not write/, 'another setting is told, too');
is(as('mw_role', q{BEGIN; SET LOCAL ownership.system = 'erp'; UPDATE product SET price = 22 WHERE sku = 'a'; SAVEPOINT s; SET LOCAL ownership.system = 'pim'; UPDATE product SET title = 'S' WHERE sku = 'a';
	ROLLBACK TO s; UPDATE product SET price = price + 1 WHERE sku = 'a' RETURNING price; COMMIT}), 23, 'a savepoint takes it back');
like(refused('mw_role', q{BEGIN; SET LOCAL ownership.system = 'erp'; SAVEPOINT s; UPDATE product SET price = 24 WHERE sku = 'a'; ROLLBACK TO s; SET LOCAL ownership.system = 'pim';
	UPDATE product SET price = 24 WHERE sku = 'a'; COMMIT}), $may_not, 'also where it was told');
run(q{CREATE FUNCTION by_definer() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$UPDATE product SET price = 99 WHERE sku = 'a'$$; ALTER FUNCTION by_definer() OWNER TO owner_role; GRANT ALL ON product TO owner_role});
like(refused('pim_role', 'SELECT by_definer()'), qr/table "product" cannot be written in a function that is SECURITY DEFINER.*Citus writes its shards as role "owner_role", and the writer is role "pim_role"/s,
	'SECURITY DEFINER');
is(as('mw_role', q{BEGIN; SET LOCAL ownership.system = 'erp'; SELECT by_definer(); COMMIT; SELECT price FROM product WHERE sku = 'a'}), "\n99", 'unless ownership.system is set');

run(q{CREATE FUNCTION delegated(wanted text) RETURNS void LANGUAGE sql AS $$UPDATE product SET price = 7 WHERE sku = wanted$$;
	CREATE PROCEDURE called(wanted text) LANGUAGE sql AS $$UPDATE product SET price = 7 WHERE sku = wanted$$;
	SELECT create_distributed_function(f, 'wanted', colocate_with => 'product') FROM unnest(ARRAY['delegated(text)', 'called(text)']::regprocedure[]) f});
like(refused('mw_role', "SET ownership.system = 'erp'; $_"), qr/the setting "ownership.system" does not reach the node that runs the function/, "a node runs $_") for q{SELECT delegated('a')}, q{CALL called('a')};
like(refused('pim_role', $_), $may_not, "the role counts in $_") for q{SELECT delegated('a')}, q{CALL called('a')};
as('mw_role', "SET ownership.system = 'erp'; BEGIN; SELECT delegated('a'); COMMIT");
is(run(q{SELECT price FROM product WHERE sku = 'a'}), 7, 'in a transaction block it is told');

# what a TRUNCATE takes along is remembered on the shards, and lands again
forget();
is(as('erp_role', q{TRUNCATE product; INSERT INTO product VALUES ('a', 1), ('b', 2); SELECT string_agg(sku || title, ',' ORDER BY sku) FROM product}), 'aP,bP', 'TRUNCATE by the owner');
is(as('erp_role', q{DELETE FROM product WHERE sku = 'a'; INSERT INTO product VALUES ('a', 1); SELECT title FROM product WHERE sku = 'a'}), 'P', 'DELETE likewise');
is(as('mw_role', q{BEGIN; SET LOCAL ownership.system = 'erp'; TRUNCATE product; COMMIT; SELECT count(*) FROM product}), 0, 'TRUNCATE by ownership.system');

# row owners
as('erp_role', q{INSERT INTO product SELECT 'p' || i, i, NULL, i % 10 FROM generate_series(1, 2000) i});
run(q{SELECT ownership.assign_rows('product', '{price}', 'pim', 'product.brand = 3')});
there();
like(refused('erp_role', q{UPDATE product SET price = 0 WHERE brand = 3}), qr/system "erp" may not write column "price"/, 'row owners: refused');
as('erp_role', 'UPDATE product SET price = price + 1 WHERE brand <> 3');
as('pim_role', 'UPDATE product SET price = price + 1 WHERE brand = 3');
is(run('SELECT sum(price) FROM product'), 2003000, 'row owners: written');

# shards are moved while they are written
forget();
my $sum = run('SELECT sum(price) FROM product WHERE brand = 1');
my $script = PostgreSQL::Test::Utils::tempdir() . '/write.sql';
append_to_file($script, "\\set i 1 + 10 * random(0, 199)\nUPDATE product SET price = price + 1 WHERE sku = 'p' || :i;\n");
my ($out, $err) = ('', '');
my $writer = IPC::Run::start(['pgbench', '-n', '-f', $script, '-c', 2, '-T', 8, '-h', $coordinator->host, '-p', $coordinator->port, '-U', 'erp_role', 'postgres'], '>', \$out, '2>', \$err);
my ($shard, $from) = split /\|/, run(q{SELECT shardid, nodeport FROM citus_shards WHERE table_name = 'product'::regclass ORDER BY 1 LIMIT 1});
my ($to) = grep { $_ != $from } map { $_->port } @workers;
run("SELECT citus_move_shard_placement($shard, '127.0.0.1', $from, '127.0.0.1', $to, shard_transfer_mode => 'force_logical')");
run("SELECT citus_move_shard_placement($shard, '127.0.0.1', $to, '127.0.0.1', $from, shard_transfer_mode => 'block_writes')");
run("SELECT citus_move_shard_placement($shard, '127.0.0.1', $from, '127.0.0.1', $to, shard_transfer_mode => 'force_logical')");
run(q{SELECT rebalance_table_shards('product', shard_transfer_mode => 'force_logical')});
$writer->finish;
my ($written) = $out =~ /actually processed: (\d+)/;
run('CALL citus_cleanup_orphaned_resources()');
cmp_ok($written // 0, '>', 10, 'rows are written meanwhile');
is(run('SELECT sum(price) FROM product WHERE brand = 1'), $sum + $written, 'no write is lost');
is(on_nodes(sprintf($shards, 'product')), join("\n", sort(('amend A', 'judge O') x 4)), 'the guard moves along');
like(refused('pim_role', 'UPDATE product SET price = 9 WHERE brand = 1'), $may_not, 'and judges');
is(evidence('product'), '', 'what Citus copies is judged once');

# a shard is split
my ($value) = split /\|/, run(q{SELECT (shardminvalue::bigint + shardmaxvalue::bigint) / 2 FROM pg_dist_shard WHERE logicalrelid = 'product'::regclass ORDER BY shardid LIMIT 1});
my $nodes = run(q{SELECT string_agg(nodeid::text, ',' ORDER BY nodeid) FROM (SELECT nodeid FROM pg_dist_node WHERE groupid > 0) n});
run("SELECT citus_split_shard_by_split_points((SELECT min(shardid) FROM pg_dist_shard WHERE logicalrelid = 'product'::regclass), ARRAY['$value'], ARRAY[$nodes], 'force_logical')");
run('CALL citus_cleanup_orphaned_resources()');
is(on_nodes(sprintf($shards, 'product')), join("\n", sort(('amend A', 'judge O') x 5)), 'the guard is on both halves of a shard that was split');
like(refused('pim_role', 'UPDATE product SET price = 9 WHERE brand = 1'), $may_not, 'and judges');

# what comes by a subscription into a shard is judged, but not what Citus copies
my ($name) = split /\n/, sql($first, 'postgres', q{SET citus.override_table_visibility = off; SELECT relname FROM pg_class WHERE relname ~ '^product_\d+$' AND relkind = 'r' ORDER BY 1});
sql($second, 'postgres', "SET citus.enable_ddl_propagation = off; CREATE TABLE $name (sku text PRIMARY KEY, price numeric, title text, brand int); CREATE PUBLICATION fed FOR TABLE $name");
my $source = connstr($second, 'postgres');
for my $subscription ('feed', 'citus_shard_move_subscription_1')
{
	sql($first, 'postgres', "CREATE SUBSCRIPTION $subscription CONNECTION '$source' PUBLICATION fed WITH (copy_data = false)");
	sql($second, 'postgres', "INSERT INTO $name VALUES ('$subscription', 1)");
	$second->wait_for_catchup($subscription);
	is(sql($first, 'postgres', "SELECT count(*) FROM $name WHERE sku = '$subscription'"), $subscription eq 'feed' ? 0 : 1, "a row of subscription $subscription");
	sql($first, 'postgres', "DROP SUBSCRIPTION $subscription");
}

# a node without the map
sql($second, 'postgres', 'ALTER SUBSCRIPTION ownership_map_1 DISABLE');
run('CREATE TABLE late (id int PRIMARY KEY, n int); ' . sprintf($privileges, 'late'));
run(q{SELECT create_distributed_table('late', 'id'), ownership.assign('late', NULL, 'erp')});
like(refused('erp_role', 'INSERT INTO late SELECT i, i FROM generate_series(1, 20) i'), qr/the ownership map of table "late" is not on this node/, 'a node without the map refuses');
sql($second, 'postgres', 'ALTER SUBSCRIPTION ownership_map_1 ENABLE');
there();
as('erp_role', 'INSERT INTO late SELECT i, i FROM generate_series(1, 20) i');
is(run('SELECT count(*) FROM late'), 20, 'until it has come');

# activity and evidence of all nodes
forget();
sql($_, 'postgres', 'SELECT ownership.flush(); DELETE FROM ownership.activity') for $coordinator, @workers;
as('erp_role', q{SELECT amount FROM stock; UPDATE stock SET note = 'again' WHERE sku = 'b'; UPDATE brand SET name = 'again'; UPDATE stock SET amount = amount + 1 WHERE sku = 'b'; UPDATE brand SET note = 'again'});
my $view = slurp_file("$FindBin::RealBin/../doc/how-to/citus.md");
my ($views) = $view =~ /## Read all nodes' evidence.*?```psql\n(.*?)```/s;
run($views);
is(run('SELECT table_name, row_key, system, outcome, columns FROM all_conflicts ORDER BY 1, 2'), qq(brand|{"id": 1}|erp|kept|{name}\nstock|{"sku": "b", "place": 1}|erp|kept|{note}), 'one view of evidence');
sql($_, 'postgres', 'SELECT ownership.flush()') for $coordinator, @workers;
wait_for($coordinator, 'postgres', q{SELECT string_agg(concat_ws(' ', table_name, column_name, reads, writes, kept), ',' ORDER BY table_name, column_name) FROM all_activity WHERE system = 'erp' AND column_name IN ('amount', 'note', 'name')},
	'brand name 0 0 1,brand note 0 1 0,stock amount 2 1 0,stock note 0 0 1');

# unguard
run(q{SELECT ownership.unguard('product')});
is(on_nodes(sprintf($guards, 'product')) . on_nodes(sprintf($shards, 'product')), '', 'unguard() takes the guard off all nodes');
is(as('pim_role', q{UPDATE product SET price = 1 WHERE sku = 'p1' RETURNING price}), 1, 'then nothing is judged');
done_testing();
